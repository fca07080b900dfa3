-- drain_worker: a worker takes nothing new (draining), or takes again (online).
-- moves    nothing
-- keys     prefix
-- args     { worker_id, state, deadline_ms (0: none) }
-- returns  { ok, {}, index }, { not_found }, or no_dataset
-- emits    worker_status
-- includes keys, record, open_data, load, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes = new_changes(data)
load_workers(changes, { args[1] })
local worker = changes.known[args[1]]
if not worker then
  return cmsgpack.pack({ "not_found", {} })
end
if worker[W.state] ~= "offline" then
  worker[W.state] = args[2]
end
worker[W.drain_until] = args[3] > 0 and data.now + args[3] or 0
keep_worker(changes, args[1], worker)
changes.worker_events[1] = { args[1], "worker_status", worker[W.session], args[2], args[3] }
local index = commit(changes)
return { cmsgpack.pack({ "ok", {} }), index }
