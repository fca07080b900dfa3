-- complete_jobs: workers hand in results; the first of the latest attempt counts, its repeats get the same answer.
-- moves    complete: assigned, accepted, in_progress, queued, pending -> completed
-- keys     prefix
-- args     { items: { { id, worker_id, attempt, lease, digest, artifacts } } }, then one result per item ("": none)
-- returns  { index, results: { { ok } | { stale_attempt } } }, or no_dataset
-- emits    job_completed
-- includes keys, record, open_data, load, customers, slots, fence, place, history, end_job, commit, answer
local prefix, args, texts = KEYS[1], cmsgpack.unpack(ARGV[1]), ARGV
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include customers
-- @include slots
-- @include fence
-- @include place
-- @include history
-- @include end_job
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

-- Finished work of an attempt that was lost is not thrown away while nobody else has begun.
local function is_late(job, item)
  return is_token_of(job, item[2], item[3], item[4]) and job[J.outcome] == "lost" and (job[J.state] == "queued" or job[J.state] == "pending")
end

local function complete(id, job, item, result)
  local before = job[J.state]
  if before == "queued" or before == "pending" then
    stop_waiting(changes, id, job)
  else
    free_slot(changes, job[J.worker], id, job[J.attempt])
    add_to(changes.zrem, KEY.deadlines, id)
    settle_charge(changes, job)
  end
  job[J.digest], job[J.artifacts], job[J.outcome] = item[5], item[6], "completed"
  end_job(changes, id, job, "completed", "", "", "")
  if result ~= "" then
    job[J.has_result] = 1
    changes.strings[#changes.strings + 1] = KEY.result .. id
    changes.strings[#changes.strings + 1] = result
  end
  local worker = changes.known[job[J.worker]]
  if worker then
    worker[W.completed] = worker[W.completed] + 1
    keep_worker(changes, job[J.worker], worker)
  end
  count(changes, job, before, "completed")
  tell_event(changes, id, job, "job_completed", job[J.worker], "completed", "", "")
  keep_job(changes, id, job)
end

for i, item in ipairs(args[1]) do
  local id, job = item[1], jobs[item[1]]
  if is_current(job, item[2], item[3], item[4]) or is_late(job, item) then
    complete(id, job, item, texts[i + 1])
    results[i] = { "ok" }
  elseif is_token_of(job, item[2], item[3], item[4]) and job[J.state] == "completed" and job[J.digest] == item[5] then
    results[i] = { "ok" }
  elseif answers_cancel(changes, id, job, item[2], item[3], item[4]) then
    results[i] = { "ok" }
  else
    results[i] = { "stale_attempt" }
  end
end
local index = #changes.job_ids + #changes.worker_ids > 0 and commit(changes) or ""
return answer(changes, results, index)
