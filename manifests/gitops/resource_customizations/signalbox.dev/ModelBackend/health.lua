-- Health for Argo CD, by the conditions that kstatus reads, too: a status of an older generation says nothing, Stalled
-- needs a person, and what is not ready yet is on its way.
local health = {status = "Progressing", message = "Waiting for the operator"}
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "Being deleted"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local function is(type, status)
  return conditions[type] ~= nil and conditions[type].status == status
end
local function said(type)
  return conditions[type].message or conditions[type].reason or ""
end
if is("Stalled", "True") then
  health.status = "Degraded"
  health.message = said("Stalled")
elseif is("Reconciling", "True") then
  health.message = said("Reconciling")
elseif is("Ready", "True") then
  health.status = "Healthy"
  health.message = said("Ready")
  -- It serves all the same; whoever looks should know.
  for _, type in ipairs({"ResolvedRefs", "Reachable", "SignalsFresh", "Authorized"}) do
    if is(type, "False") then
      health.message = type .. ": " .. said(type)
      break
    end
  end
elseif is("Accepted", "False") then
  health.status = "Degraded"
  health.message = said("Accepted")
elseif conditions["Ready"] ~= nil then
  health.message = said("Ready")
end
return health
