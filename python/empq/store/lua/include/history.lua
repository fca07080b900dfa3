-- @include changes
-- A job's events. The record alone tells a straight life (pending?, queued, assigned, started, end of attempt 1);
-- the first event beyond that begins a list, with the earlier ones written out.
local function write_event(changes, id, version, event, status, at, attempt, worker, outcome, code, message)
  add_to(changes.history, id, cmsgpack.pack({ version, event, status, at, attempt, worker, outcome, code, message }))
end

local function begin_history(changes, id, job)
  if job[J.logged] == 1 then
    return
  end
  job[J.logged] = 1
  local version = 0
  local function tell(event, status, at, attempt, worker)
    if at > 0 then
      version = version + 1
      write_event(changes, id, version, event, status, at, attempt, worker, "", "", "")
    end
  end
  if job[J.born_pending] == 1 then
    tell("job_pending", "pending", job[J.created_at], 0, "")
  end
  tell("job_queued", "queued", job[J.queued_at], 0, "")
  if job[J.attempt] > 0 then
    tell("job_assigned", "assigned", job[J.assigned_at], 1, job[J.worker])
    tell("job_started", "in_progress", job[J.started_at], 1, job[J.worker])
  end
end

-- The record has moved: one event for the log, and for the history where there is one.
-- `worker` is whom the event concerns (the holder that an ended attempt leaves).
local function tell_event(changes, id, job, event, worker, outcome, code, message)
  job[J.version] = job[J.version] + 1
  local at = changes.data.now
  if job[J.logged] == 1 then
    write_event(changes, id, job[J.version], event, job[J.state], at, job[J.attempt], worker, outcome, code, message)
  end
  changes.events[#changes.events + 1] = {
    id, event, job[J.state], job[J.version], at, job[J.attempt], worker, job[J.customer], job[J.type], job[J.workflow], job[J.priority],
    outcome, code, message, event == "job_retrying" and job[J.retry_at] or 0,
  }
end
