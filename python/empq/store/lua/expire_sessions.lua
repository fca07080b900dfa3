-- expire_sessions: workers unheard of for a lease are lost, with what they hold.
-- moves    lose: assigned, accepted, in_progress -> queued, failed
-- keys     prefix
-- args     { limit }
-- returns  { ok, { lost workers }, index }, or no_dataset
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
local changes, lost = new_changes(data), 0
local due = {}
if data.clock >= data.grace then
  due = redis.call("ZRANGEBYSCORE", KEY.sessions, "-inf", data.clock, "LIMIT", 0, args[1])
end
load_workers(changes, due)
local held_ids = {}
for _, worker_id in ipairs(due) do
  for _, held in ipairs(changes.known[worker_id] and changes.known[worker_id][W.held] or {}) do
    held_ids[#held_ids + 1] = held[H.job]
  end
end
local jobs = load_jobs(changes, held_ids)
load_workflows(changes, jobs)

local function lose(worker_id, worker)
  for _, held in ipairs(copied(worker[W.held])) do
    local job = jobs[held[H.job]]
    if job and held[H.cancelled] == 0 and job[J.worker] == worker_id and job[J.attempt] == held[H.attempt] then
      end_attempt(changes, held[H.job], job, "lost", { message = "its worker " .. worker_id .. " was lost" })
    else
      add_to(changes.zrem, KEY.deadlines, held[H.job])
    end
  end
  worker[W.held], worker[W.state] = {}, "offline"
  keep_worker(changes, worker_id, worker)
  changes.worker_events[#changes.worker_events + 1] = { worker_id, "worker_disconnected", worker[W.session] }
end

for _, worker_id in ipairs(due) do
  local worker = changes.known[worker_id]
  if worker and worker[W.state] ~= "offline" and worker[W.lease_until] > data.clock then
    add_to(changes.zadd, KEY.sessions, worker[W.lease_until], worker_id)
  else
    add_to(changes.zrem, KEY.sessions, worker_id)
    if worker and worker[W.state] ~= "offline" then
      lose(worker_id, worker)
      lost = lost + 1
    end
  end
end
local index = commit(changes)
return answer(changes, { lost }, index)
