-- @include place
-- The end of a job, whichever it is.
local function end_job(changes, id, job, state, code, message, details)
  local data = changes.data
  job[J.state] = state
  job[J.ended_at] = data.now
  job[J.error_code], job[J.error_message], job[J.error_details] = code, message, details
  if job[J.deadline_at] > 0 then
    add_to(changes.zrem, KEY.wall_deadlines, id)
  end
  local keep = state == "completed" and job[J.keep_completed_ms] or job[J.keep_failed_ms]
  add_to(changes.zadd, KEY.forget, data.now + keep, id)
  add_to(changes.zadd, KEY.ended .. state, job[J.created_at], id)
  changes.totals[state] = (changes.totals[state] or 0) + 1
  if job[J.dependants] == 1 then
    add_to(changes.sadd, KEY.settle, id)
  end
  close_workflow_job(changes, job)
end

-- Takes a job out of where it waits (lane and line, pending, avoidances).
local function stop_waiting(changes, id, job)
  if job[J.state] == "queued" then
    unstand(changes, id, job)
  else
    add_to(changes.zrem, KEY.pending, id)
  end
  if #job[J.avoided] > 0 then
    add_to(changes.zrem, KEY.avoidances, id)
  end
end
