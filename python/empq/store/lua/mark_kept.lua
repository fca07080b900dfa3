-- mark_kept: a write behind entry `number`, for the WAIT that follows it on the same connection.
-- moves    nothing
-- keys     prefix
-- args     { number }
-- returns  { ok, {} } | { rolled_back, {} } where the log is shorter than that, or no_dataset
-- emits    nothing
-- includes keys, open_data
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include open_data

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
if data.number < args[1] then
  return cmsgpack.pack({ "rolled_back", {} })
end
redis.call("HSET", KEY.dataset, "kept", args[1])
return cmsgpack.pack({ "ok", {} })
