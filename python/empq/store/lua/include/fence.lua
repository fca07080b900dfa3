-- @include slots
-- The fencing token: (worker id, attempt, lease); a message without a lease is judged by the first two.
local HELD_STATES = { assigned = true, accepted = true, in_progress = true }

local function is_token_of(job, worker_id, attempt, lease)
  return job and job[J.worker] == worker_id and job[J.attempt] == attempt and (lease == "" or job[J.lease] == lease)
end

local function is_current(job, worker_id, attempt, lease)
  return is_token_of(job, worker_id, attempt, lease) and HELD_STATES[job[J.state]] or false
end

-- The holder's answer to a cancellation: it frees the slot and is acked; its content is dropped.
local function answers_cancel(changes, id, job, worker_id, attempt, lease)
  if is_token_of(job, worker_id, attempt, lease) and job[J.state] == "cancelled" and free_slot(changes, worker_id, id, attempt) then
    add_to(changes.zrem, KEY.deadlines, id)
    return true
  end
  return false
end

-- Ids of `items`, each { id, … }.
local function ids_of(items)
  local ids = {}
  for i, item in ipairs(items) do
    ids[i] = item[1]
  end
  return ids
end
