-- cancel_jobs: ends jobs at the wish of their submitter.
-- moves    cancel: pending, queued, assigned, accepted, in_progress -> cancelled
-- keys     prefix
-- args     { items: { { id, reason } } }
-- returns  { index, results: { { ok } | { not_found } | { wrong_state, state } } }, or no_dataset
-- emits    job_cancelled
-- includes keys, record, open_data, load, cancel, fence, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include cancel
-- @include fence
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
  local job = jobs[item[1]]
  if not job then
    results[i] = { "not_found" }
  elseif job[J.state] == "cancelled" then
    results[i] = { "ok" }
  elseif job[J.ended_at] > 0 then
    results[i] = { "wrong_state", job[J.state] }
  else
    cancel(changes, item[1], job, "", item[2])
    results[i] = { "ok" }
  end
end
local index = #changes.job_ids > 0 and commit(changes) or ""
return answer(changes, results, index)
