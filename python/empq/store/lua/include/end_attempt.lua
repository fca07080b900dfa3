-- @include customers
-- @include slots
-- @include history
-- @include end_job
-- The current attempt ends with `outcome`, other than completed or cancelled; the job goes where the rules send it.
-- why = { code, message, details, retry (false: at once the end), jitter (0.8..1.2) }
local END_CODE = { failed = "job_failed", timeout = "run_timeout", lost = "worker_lost", not_accepted = "not_accepted" }
local RELEASES = 10 -- in a row
local AVOIDED_MS = 60000

local function avoid_worker(changes, job, worker_id)
  local kept = {}
  for _, avoided in ipairs(job[J.avoided]) do
    if avoided[1] ~= worker_id then
      kept[#kept + 1] = avoided
    end
  end
  kept[#kept + 1] = { worker_id, changes.data.clock + AVOIDED_MS }
  job[J.avoided] = kept
end

-- Returns the state after it and the delay in ms (0 where it is queued at once or has ended).
local function end_attempt(changes, id, job, outcome, why)
  local before, worker_id, data = job[J.state], job[J.worker], changes.data
  free_slot(changes, worker_id, id, job[J.attempt])
  add_to(changes.zrem, KEY.deadlines, id)
  job[J.outcome] = outcome
  settle_charge(changes, job)
  local ends, code, message = false, "", why.message or ""
  if outcome == "released" then
    job[J.releases] = job[J.releases] + 1
    ends, code = job[J.releases] >= RELEASES, "released_too_often"
    if ends and message == "" then
      message = "released " .. RELEASES .. " times in a row"
    end
  else
    job[J.releases] = 0
    job[J.counted] = job[J.counted] + 1
    ends, code = why.retry == false or job[J.counted] > job[J.max_retries], why.code or END_CODE[outcome]
  end
  if ends then
    end_job(changes, id, job, outcome == "timeout" and "timeout" or "failed", code, message, why.details or "")
    count(changes, job, before, job[J.state])
    tell_event(changes, id, job, outcome == "timeout" and "job_timeout" or "job_failed", worker_id, outcome, code, message)
    keep_job(changes, id, job)
    return job[J.state], 0
  end
  begin_history(changes, id, job)
  if job[J.elsewhere] == 1 and outcome ~= "released" and outcome ~= "timeout" then
    avoid_worker(changes, job, worker_id)
  end
  local delay = 0
  if outcome == "failed" or outcome == "timeout" then
    job[J.delayed] = job[J.delayed] + 1
    local delays = job[J.delays_ms]
    delay = math.floor(delays[math.min(job[J.delayed], #delays)] * why.jitter + 0.5)
  end
  if delay > 0 then
    job[J.state] = "pending"
    job[J.retry_at] = data.now + delay
    add_to(changes.zadd, KEY.pending, job[J.retry_at], id)
  else
    job[J.retry_at] = 0
    enqueue(changes, id, job)
  end
  count(changes, job, before, job[J.state])
  tell_event(changes, id, job, (outcome == "failed" or outcome == "timeout") and "job_retrying" or "job_queued", worker_id, outcome, code, message)
  keep_job(changes, id, job)
  return job[J.state], delay
end
