local dataset_meant = ARGV[#ARGV] -- its id; "": any
-- @include now_ms
-- Reads what every script needs of the data set; nil where it is not there (the script must then answer no_dataset).
-- The lease clock L goes on by what has passed on Redis time, 0 to lease/6 a step; after a gap over lease/2
-- nothing expires until L has gone on by one lease, so neither an outage nor a clock jump expires anybody.
local function open_data()
  local read = redis.call("HMGET", KEY.dataset, "number", "sequence", "clock", "clock_at", "grace_until", "lease_ms", "epoch",
    "order", "ageing_ms", "virtual", "pauses", "id")
  if not read[1] or (dataset_meant ~= "" and dataset_meant ~= read[12]) then
    return nil
  end
  local now = now_ms()
  local lease = tonumber(read[6])
  local clock, passed, grace = tonumber(read[3]), now - tonumber(read[4]), tonumber(read[5])
  if passed > lease / 2 then
    grace = clock + lease
  end
  return {
    now = now, number = tonumber(read[1]), sequence = tonumber(read[2]), lease = lease, epoch = tonumber(read[7]),
    clock = clock + math.floor(math.max(0, math.min(passed, lease / 6))), grace = grace,
    order = read[8] or "fifo", ageing = tonumber(read[9] or 0), virtual = tonumber(read[10] or 0), pauses = tonumber(read[11] or 0),
  }
end
