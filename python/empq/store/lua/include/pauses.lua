-- Pauses: no new assignments for a worker, a service, a job type or a customer.
local function read_pauses(data)
  local paused = {}
  if data.pauses > 0 then
    local kept = redis.call("HVALS", KEY.pauses)
    for _, text in ipairs(kept) do
      local pause = cjson.decode(text)
      paused[pause.scope .. "\0" .. pause.name] = true
    end
  end
  return paused
end

local function is_paused(paused, job)
  return paused["customer\0" .. job[J.customer]] or paused["type\0" .. job[J.type]] or (job[J.service] ~= "" and paused["service\0" .. job[J.service]]) or false
end

-- All pauses as the index wants them.
local function pauses_part()
  local part = {}
  for _, text in ipairs(redis.call("HVALS", KEY.pauses)) do
    local pause = cjson.decode(text)
    part[#part + 1] = { pause.scope, pause.name }
  end
  return part
end
