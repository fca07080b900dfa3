-- @include changes
-- What a worker holds.
local function held_index(worker, job_id, attempt)
  for i, held in ipairs(worker[W.held]) do
    if held[H.job] == job_id and (attempt == nil or held[H.attempt] == attempt) then
      return i
    end
  end
  return nil
end

-- For a walk during which slots are freed.
local function copied(list)
  local copy = {}
  for i, item in ipairs(list) do
    copy[i] = item
  end
  return copy
end

local function free_slot(changes, worker_id, job_id, attempt)
  local worker = changes.known and changes.known[worker_id]
  local index = worker and held_index(worker, job_id, attempt)
  if not index then
    return false
  end
  table.remove(worker[W.held], index)
  worker[W.idle_since] = changes.data.now
  keep_worker(changes, worker_id, worker)
  return true
end
