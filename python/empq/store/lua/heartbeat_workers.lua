-- heartbeat_workers: leases are extended; what is no longer listed is lost.
-- moves    lose: assigned, accepted, in_progress -> queued, failed
-- keys     prefix
-- args     { items: { { worker_id, session, listed jobs { { id, attempt } }, vitals JSON } } }
-- returns  { ok, results: { { ok, cancel, stop, state, drain_until, lease_ms } | { not_found } | { worker_replaced } }, index }, or no_dataset
-- emits    job_queued, job_failed
-- includes keys, record, open_data, load, listed, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include listed
-- @include commit
-- @include answer

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes, results, worker_ids = new_changes(data), {}, {}
for i, item in ipairs(args[1]) do
  worker_ids[i] = item[1]
end
load_workers(changes, worker_ids)
local jobs = held_jobs(changes, worker_ids)

local function beat(item)
  local worker_id = item[1]
  local worker = changes.known[worker_id]
  if not worker or worker[W.state] == "offline" then
    return { "not_found" }
  end
  if item[2] ~= "" and item[2] ~= worker[W.session] then
    return { "worker_replaced" }
  end
  local _, stop, cancel = compare_listed(changes, jobs, worker_id, worker, item[3])
  worker[W.lease_until], worker[W.heartbeat_at] = data.clock + data.lease, data.now
  keep_worker(changes, worker_id, worker, true)
  add_to(changes.zadd, KEY.sessions, worker[W.lease_until], worker_id)
  add_to(changes.zadd, KEY.workers, data.now, worker_id)
  if item[4] ~= "" then
    changes.strings[#changes.strings + 1] = KEY.vitals .. worker_id
    changes.strings[#changes.strings + 1] = item[4]
  end
  return { "ok", cancel, stop, worker[W.state], worker[W.drain_until], data.lease }
end

for i, item in ipairs(args[1]) do
  results[i] = beat(item)
end
local index = commit(changes)
return answer(changes, results, index)
