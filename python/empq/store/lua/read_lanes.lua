-- read_lanes: one page of the lanes that hold jobs, as an index part, to rebuild an index.
-- moves    nothing
-- keys     prefix
-- args     { cursor, count }
-- returns  { ok, { next cursor }, index part }, or no_dataset
-- emits    nothing
-- includes keys, open_data
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include open_data

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local page, lanes = redis.call("SSCAN", KEY.lanes, args[1], "COUNT", args[2]), {}
for i, lane in ipairs(page[2]) do
  local head = redis.call("ZRANGE", KEY.lane .. lane, 0, 0, "WITHSCORES")
  lanes[i] = { lane, tonumber(head[2] or 0), head[1] or "", redis.call("ZCARD", KEY.lane .. lane) }
end
return { cmsgpack.pack({ "ok", { page[1] } }), cmsgpack.pack({ data.number, lanes, {} }) }
