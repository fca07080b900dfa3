-- set_customer: a customer's weight and quotas.
-- moves    nothing
-- keys     prefix
-- args     { customer, weight, max_active, max_queued } (quotas: -1 none; "": as it is)
-- returns  { ok, { packed customer }, 0 }, or no_dataset
-- emits    customer_changed
-- includes keys, record, open_data, customers, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include customers
-- @include commit
-- @include answer
local name = args[1]

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes = new_changes(data)
load_customers(changes, { name })
local customer = changes.customers[name]
for i, field in ipairs({ C.weight, C.max_active, C.max_queued }) do
  if args[i + 1] ~= "" then
    customer[field] = math.floor(args[i + 1])
  end
end
changes.told_customers[name] = true
local settings = customer[C.weight] ~= 1 or customer[C.max_active] ~= -1 or customer[C.max_queued] ~= -1
add_to(settings and changes.sadd or changes.srem, KEY.customers, name)
changes.worker_events[1] = { "", "customer_changed", "", name }
return answer(changes, customer, commit(changes))
