-- @include changes
-- A script's reply: token, results, whether dependants wait to be settled; beside it the log entry's index part.
local function answer(changes, results, index)
  return { cmsgpack.pack({ "ok", results, changes.sadd[KEY.settle] and 1 or 0 }), index }
end
