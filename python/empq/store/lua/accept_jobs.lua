-- accept_jobs: workers confirm that they will run these attempts.
-- moves    accept: assigned -> accepted
-- keys     prefix
-- args     { items: { { id, worker_id, attempt, lease } } }
-- returns  { index, results: { { ok } | { stale_attempt } } }, or no_dataset
-- emits    nothing (the first progress is an event)
-- includes keys, record, open_data, load, slots, fence, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include slots
-- @include fence
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes, results = new_changes(data), {}
local jobs = load_jobs(changes, ids_of(args[1]))
for i, item in ipairs(args[1]) do
  local id, job = item[1], jobs[item[1]]
  if not is_current(job, item[2], item[3], item[4]) then
    results[i] = { "stale_attempt" }
  else
    results[i] = { "ok" }
    if job[J.state] == "assigned" then
      job[J.state] = "accepted"
      add_to(changes.zadd, KEY.deadlines, job[J.assigned_l] + job[J.timeout_ms], id)
      count(changes, job, "assigned", "accepted")
      keep_job(changes, id, job)
    end
  end
end
local index = #changes.job_ids > 0 and commit(changes) or ""
return { cmsgpack.pack({ "ok", results }), index }
