-- patch_worker: a worker's capabilities change.
-- moves    nothing
-- keys     prefix
-- args     { worker_id, version that was patched, slots, capacity, max_customers, capabilities JSON }
-- returns  { ok, { version }, index }, { not_found }, { stale_worker }, or no_dataset
-- emits    worker_status
-- includes keys, record, open_data, load, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include commit
local worker_id, version, slots, capacity, max_customers, capabilities = unpack(args)

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes = new_changes(data)
load_workers(changes, { worker_id })
local worker = changes.known[worker_id]
if not worker then
  return cmsgpack.pack({ "not_found", {} })
end
if worker[W.version] ~= version then
  return cmsgpack.pack({ "stale_worker", {} })
end
worker[W.version], worker[W.slots], worker[W.capacity], worker[W.max_customers] = version + 1, slots, capacity, max_customers
keep_worker(changes, worker_id, worker)
changes.strings[1], changes.strings[2] = KEY.capabilities .. worker_id, capabilities
changes.worker_events[1] = { worker_id, "worker_status", worker[W.session], "" }
local index = commit(changes)
return { cmsgpack.pack({ "ok", { version + 1 } }), index }
