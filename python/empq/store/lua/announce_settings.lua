-- announce_settings: settings kept with the data have changed: running hubs read them again.
-- moves    nothing
-- keys     prefix
-- args     { }
-- returns  { ok, {}, 0 }, or no_dataset
-- emits    settings_changed
-- includes keys, record, open_data, commit, answer
local prefix = KEYS[1]
-- @include keys
-- @include record
-- @include open_data
-- @include commit
-- @include answer

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes = new_changes(data)
changes.worker_events[1] = { "", "settings_changed", "", "" }
return answer(changes, {}, commit(changes))
