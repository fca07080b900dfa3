-- fail_jobs: workers report failures; the job is tried again or ends.
-- moves    fail: assigned, accepted, in_progress -> pending, queued, failed
-- keys     prefix
-- args     { items: { { id, worker_id, attempt, lease, message, details, retry (0 or 1), jitter } } }
-- returns  { index, results: { { ok, retry_scheduled (0 or 1), delay_ms } | { stale_attempt } } }, or no_dataset
-- emits    job_retrying, job_failed
-- includes keys, record, open_data, load, slots, fence, end_attempt, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include slots
-- @include fence
-- @include end_attempt
-- @include commit
-- @include answer

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes, results = new_changes(data), {}
local jobs = load_jobs(changes, ids_of(args[1]))
load_workers_of(changes, jobs)
load_workflows(changes, jobs)
for i, item in ipairs(args[1]) do
  local id, job = item[1], jobs[item[1]]
  if is_current(job, item[2], item[3], item[4]) then
    local worker = changes.known[job[J.worker]]
    if worker then
      worker[W.failed] = worker[W.failed] + 1
    end
    local why = { message = item[5], details = item[6], retry = item[7] == 1, jitter = item[8] }
    local state, delay = end_attempt(changes, id, job, "failed", why)
    results[i] = { "ok", state == "failed" and 0 or 1, delay }
  elseif answers_cancel(changes, id, job, item[2], item[3], item[4]) then
    results[i] = { "ok", 0, 0 }
  else
    results[i] = { "stale_attempt" }
  end
end
local index = #changes.job_ids + #changes.worker_ids > 0 and commit(changes) or ""
return answer(changes, results, index)
