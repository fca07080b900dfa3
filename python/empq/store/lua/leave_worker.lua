-- leave_worker: a worker goes by its own wish: what it holds is released at once.
-- moves    release: assigned, accepted, in_progress -> queued, failed
-- keys     prefix
-- args     { worker_id, session or "" }
-- returns  { ok, {}, index }, { not_found }, { worker_replaced }, or no_dataset
-- emits    job_queued, job_failed, worker_disconnected
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
local changes, worker_id = new_changes(data), args[1]
load_workers(changes, { worker_id })
local worker = changes.known[worker_id]
if not worker then
  return cmsgpack.pack({ "not_found", {} })
end
if args[2] ~= "" and args[2] ~= worker[W.session] then
  return cmsgpack.pack({ "worker_replaced", {} })
end
local ids = {}
for i, held in ipairs(worker[W.held]) do
  ids[i] = held[H.job]
end
local jobs = load_jobs(changes, ids)
load_workflows(changes, jobs)
for _, held in ipairs(copied(worker[W.held])) do
  local job = jobs[held[H.job]]
  if job and held[H.cancelled] == 0 and job[J.worker] == worker_id and job[J.attempt] == held[H.attempt] then
    end_attempt(changes, held[H.job], job, "released", { message = "its worker " .. worker_id .. " left" })
  else
    add_to(changes.zrem, KEY.deadlines, held[H.job])
  end
end
worker[W.held], worker[W.state] = {}, "offline"
keep_worker(changes, worker_id, worker)
add_to(changes.zrem, KEY.sessions, worker_id)
changes.worker_events[1] = { worker_id, "worker_disconnected", worker[W.session], "" }
local index = commit(changes)
return answer(changes, {}, index)
