-- promote_due_jobs: queues jobs whose delay, run_at or retry delay has passed and that wait for no other job.
-- moves    promote: pending -> queued
-- keys     prefix
-- args     { limit }
-- returns  { ok, { promoted }, index }, or no_dataset
-- emits    job_queued
-- includes keys, record, open_data, load, place, history, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include place
-- @include history
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes, promoted = new_changes(data), 0
local due = redis.call("ZRANGEBYSCORE", KEY.pending, "-inf", data.now, "LIMIT", 0, args[1])
local jobs = load_jobs(changes, due)
load_workflows(changes, jobs)
for _, id in ipairs(due) do
  local job = jobs[id]
  add_to(changes.zrem, KEY.pending, id)
  if job and job[J.state] == "pending" and job[J.waiting] == 0 then
    job[J.retry_at] = 0
    enqueue(changes, id, job)
    count(changes, job, "pending", "queued")
    tell_event(changes, id, job, "job_queued", "", "", "", "")
    keep_job(changes, id, job)
    promoted = promoted + 1
  end
end
local index = #due > 0 and commit(changes) or ""
return { cmsgpack.pack({ "ok", { promoted } }), index }
