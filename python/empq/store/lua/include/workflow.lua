-- @include changes
-- Workflows: the jobs of one (customer, workflow id).
local function workflow_of(job)
  return #job[J.customer] .. ":" .. job[J.customer] .. ":" .. job[J.workflow]
end

local function load_workflows(changes, jobs)
  for _, job in pairs(jobs) do
    if job and job[J.workflow] ~= "" then
      local id = workflow_of(job)
      if not changes.workflows[id] then
        local read = redis.call("HMGET", KEY.workflow .. id, "seq", "open")
        changes.workflows[id] = { seq = tonumber(read[1] or 0), open = tonumber(read[2] or 0), customer = job[J.customer], name = job[J.workflow] }
      end
    end
  end
end

local function close_workflow_job(changes, job)
  local workflow = job[J.workflow] ~= "" and changes.workflows[workflow_of(job)]
  if workflow then
    workflow.open = workflow.open - 1
    workflow.closed, workflow.changed = true, true
  end
end
