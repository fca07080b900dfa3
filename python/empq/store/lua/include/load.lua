-- @include changes
-- @include bulk
-- Records by id, one MGET for all; false where there is none.
local function load_jobs(changes, ids)
  local keys, wanted = {}, {}
  for _, id in ipairs(ids) do
    if changes.jobs[id] == nil and not wanted[id] then
      wanted[id] = true
      keys[#keys + 1] = KEY.job .. id
    end
  end
  local loaded = {}
  if #keys > 0 then
    local packed = values_of(keys)
    for i, key in ipairs(keys) do
      loaded[string.sub(key, #KEY.job + 1)] = packed[i] and cmsgpack.unpack(packed[i]) or false
    end
  end
  for _, id in ipairs(ids) do
    if changes.jobs[id] ~= nil then
      loaded[id] = changes.jobs[id]
    end
  end
  return loaded
end

-- Workers' records into changes.known, one MGET for all.
local function load_workers(changes, ids)
  changes.known = changes.known or {}
  local keys, wanted = {}, {}
  for _, id in ipairs(ids) do
    if id ~= "" and changes.known[id] == nil and not wanted[id] then
      wanted[id] = true
      keys[#keys + 1] = KEY.worker .. id
    end
  end
  if #keys > 0 then
    local packed = values_of(keys)
    for i, key in ipairs(keys) do
      changes.known[string.sub(key, #KEY.worker + 1)] = packed[i] and cmsgpack.unpack(packed[i]) or false
    end
  end
end

local function load_workers_of(changes, jobs)
  local ids = {}
  for _, job in pairs(jobs) do
    if job and job[J.worker] ~= "" then
      ids[#ids + 1] = job[J.worker]
    end
  end
  load_workers(changes, ids)
end
