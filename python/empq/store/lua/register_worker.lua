-- register_worker: a worker's session begins, replacing an older one of the same id; what it still runs is kept.
-- moves    lose: assigned, accepted, in_progress -> queued, failed
-- keys     prefix
-- args     { worker_id, session, slots, capacity, max_customers, capabilities JSON, listed jobs { { id, attempt } } }
-- returns  { ok, { version, keep, stop, lease_ms }, index }, or no_dataset
-- emits    worker_registered
-- includes keys, record, open_data, load, listed, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include listed
-- @include commit
-- @include answer
local worker_id, session, slots, capacity, max_customers, capabilities, listed = unpack(args)

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes = new_changes(data)
load_workers(changes, { worker_id })
local worker = changes.known[worker_id]
if not worker then
  worker = { "", "", 0, slots, {}, 0, {}, 0, data.now, 0, data.now, 0, 0, {}, 0 }
  changes.known[worker_id] = worker
end
local replaced = worker[W.state] ~= "offline" and worker[W.session] or ""
local jobs = held_jobs(changes, { worker_id })
worker[W.session], worker[W.version], worker[W.slots] = session, worker[W.version] + 1, slots
worker[W.capacity], worker[W.max_customers] = capacity, max_customers
if worker[W.state] ~= "draining" then
  worker[W.state] = "online"
end
worker[W.lease_until], worker[W.registered_at], worker[W.heartbeat_at] = data.clock + data.lease, data.now, data.now
local keep, stop = compare_listed(changes, jobs, worker_id, worker, listed)
keep_worker(changes, worker_id, worker)
add_to(changes.zadd, KEY.sessions, worker[W.lease_until], worker_id)
add_to(changes.zadd, KEY.workers, data.now, worker_id)
changes.strings[#changes.strings + 1] = KEY.capabilities .. worker_id
changes.strings[#changes.strings + 1] = capabilities
changes.worker_events[1] = { worker_id, "worker_registered", session, replaced }
local index = commit(changes)
return answer(changes, { worker[W.version], keep, stop, data.lease }, index)
