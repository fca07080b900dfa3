-- expire_jobs: ends attempts and jobs whose time is over: accept and run time-outs, unanswered cancellations and avoided workers on the lease clock, deadlines on Redis time.
-- moves    not_accept: assigned -> queued, failed; time_out: assigned, accepted, in_progress -> pending, queued, timeout; pass_deadline: pending, queued, assigned, accepted, in_progress -> timeout
-- keys     prefix
-- args     { limit, seed of the jitter }
-- returns  { ok, { expired }, index }, or no_dataset
-- emits    job_retrying, job_queued, job_failed, job_timeout
-- includes keys, record, open_data, load, end_attempt, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include end_attempt
-- @include commit
-- @include answer

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local limit = args[1]
math.randomseed(args[2])
local changes, expired = new_changes(data), 0
local timed, avoiding = {}, {}
if data.clock >= data.grace then
  timed = redis.call("ZRANGEBYSCORE", KEY.deadlines, "-inf", data.clock, "LIMIT", 0, limit)
  avoiding = redis.call("ZRANGEBYSCORE", KEY.avoidances, "-inf", data.clock, "LIMIT", 0, limit)
end
local passed = redis.call("ZRANGEBYSCORE", KEY.wall_deadlines, "-inf", data.now, "LIMIT", 0, limit)
local ids = {}
for _, list in ipairs({ timed, avoiding, passed }) do
  for _, id in ipairs(list) do
    ids[#ids + 1] = id
  end
end
local jobs = load_jobs(changes, ids)
load_workers_of(changes, jobs)
load_workflows(changes, jobs)

local function pass_deadline(id, job)
  local before, worker_id = job[J.state], ""
  if before == "queued" or before == "pending" then
    stop_waiting(changes, id, job)
  else
    worker_id = job[J.worker]
    free_slot(changes, worker_id, id, job[J.attempt])
    add_to(changes.zrem, KEY.deadlines, id)
    job[J.outcome] = "timeout"
    settle_charge(changes, job)
  end
  end_job(changes, id, job, "timeout", "deadline_passed", "the deadline has passed", "")
  count(changes, job, before, "timeout")
  tell_event(changes, id, job, "job_timeout", worker_id, worker_id ~= "" and "timeout" or "", "deadline_passed", "the deadline has passed")
  keep_job(changes, id, job)
end

for _, id in ipairs(passed) do
  add_to(changes.zrem, KEY.wall_deadlines, id)
  if jobs[id] and jobs[id][J.ended_at] == 0 then
    pass_deadline(id, jobs[id])
    expired = expired + 1
  end
end
for _, id in ipairs(timed) do
  local job = jobs[id]
  local state = job and job[J.state]
  if state == "cancelled" then
    free_slot(changes, job[J.worker], id, job[J.attempt])
    add_to(changes.zrem, KEY.deadlines, id)
  elseif state == "assigned" and data.clock < job[J.assigned_l] + job[J.timeout_ms] then
    end_attempt(changes, id, job, "not_accepted", { message = "not accepted within " .. job[J.accept_ms] / 1000 .. " s" })
    expired = expired + 1
  elseif state == "assigned" or state == "accepted" or state == "in_progress" then
    local why = { message = "ran longer than " .. job[J.timeout_ms] / 1000 .. " s", jitter = 0.8 + 0.4 * math.random() }
    end_attempt(changes, id, job, "timeout", why)
    expired = expired + 1
  else
    add_to(changes.zrem, KEY.deadlines, id)
  end
end
for _, id in ipairs(avoiding) do
  local job = jobs[id]
  add_to(changes.zrem, KEY.avoidances, id)
  if job and job[J.state] == "queued" and not changes.jobs[id] then
    unstand(changes, id, job)
    stand(changes, id, job)
    keep_job(changes, id, job)
  end
end
local index = commit(changes)
return answer(changes, { expired }, index)
