-- progress_jobs: workers report progress; the first report starts the job. Others are told by one publish.
-- moves    start: assigned, accepted -> in_progress
-- keys     prefix
-- args     { items: { { id, worker_id, attempt, lease, { progress, message, current_step } } } }
-- returns  { index, results: { { ok } | { stale_attempt } } }, or no_dataset
-- emits    job_started
-- includes keys, record, open_data, load, slots, fence, history, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include slots
-- @include fence
-- @include history
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes, results, told = new_changes(data), {}, {}
local jobs = load_jobs(changes, ids_of(args[1]))
for i, item in ipairs(args[1]) do
  local id, job = item[1], jobs[item[1]]
  if not is_current(job, item[2], item[3], item[4]) then
    results[i] = { "stale_attempt" }
  else
    results[i] = { "ok" }
    if job[J.state] ~= "in_progress" then
      count(changes, job, job[J.state], "in_progress")
      job[J.state], job[J.started_at] = "in_progress", data.now
      add_to(changes.zadd, KEY.deadlines, job[J.assigned_l] + job[J.timeout_ms], id)
      tell_event(changes, id, job, "job_started", job[J.worker], "", "", "")
      keep_job(changes, id, job)
    end
    changes.strings[#changes.strings + 1] = KEY.progress .. id
    changes.strings[#changes.strings + 1] = cmsgpack.pack({ job[J.attempt], item[5] })
    told[#told + 1] = { id, job[J.version], job[J.attempt], job[J.worker], job[J.customer], job[J.type], job[J.workflow], job[J.priority], item[5] }
  end
end
local index = #changes.strings > 0 and commit(changes) or ""
if #told > 0 then
  redis.call("PUBLISH", KEY.progress_channel, cmsgpack.pack({ data.now, told }))
end
return { cmsgpack.pack({ "ok", results }), index }
