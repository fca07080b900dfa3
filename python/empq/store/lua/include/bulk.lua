-- Lua's stack takes some 8000 values: commands with long lists go in pieces.
local PIECE = 4000 -- even, so that pairs stay together

local function bulk(list, command, key)
  for first = 1, #list, PIECE do
    local last = math.min(first + PIECE - 1, #list)
    if key then
      redis.call(command, key, unpack(list, first, last))
    else
      redis.call(command, unpack(list, first, last))
    end
  end
end

-- The values of these keys, false where there is none.
local function values_of(keys)
  local values = {}
  for first = 1, #keys, PIECE do
    local last = math.min(first + PIECE - 1, #keys)
    for i, value in ipairs(redis.call("MGET", unpack(keys, first, last))) do
      values[first + i - 1] = value
    end
  end
  return values
end
