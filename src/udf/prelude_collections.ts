/**
 * Lists and maps for scripts, as Lua code that runs before them. How they keep their values is told in `values.ts`.
 *
 * @module
 */

/** See the module's text. */
export const PRELUDE_COLLECTIONS = String.raw`
local core, env = ...
local lua = core.lua
local error, type, next, tostring, rawsetmetatable = lua.error, lua.type, lua.next, lua.tostring, lua.setmetatable
local getmetatable, math_type, charge = core.getmetatable, lua.math.type, core.charge
local byte, concat, move = lua.string.byte, lua.table.concat, lua.table.move

local NIL = core.userdata({}, {})
core.define("NIL", getmetatable(NIL))
core.keep("NIL", NIL)

local function shown(value)
  if type(value) == "string" then return '"' .. value .. '"' end
  return tostring(value)
end

local function index_of(key, what)
  local index = math_type(key) == "integer" and key or type(key) == "number" and lua.math.tointeger(key)
  if not index then error(what .. ": an index is an integer, not " .. type(key), 3) end
  return index
end

-- list
local List, list_meta, list_of, new_list = core.class("List")
local function whole(count, what)
  local index = math_type(count) == "integer" and count or type(count) == "number" and lua.math.tointeger(count)
  if not index then error(what .. ": a count is an integer, not " .. type(count), 3) end
  return index
end
local SIZE_MAX = 1 << 24
local function put(items, index, value)
  if index < 1 or index > SIZE_MAX then error("list: index " .. index .. " is out of range", 3) end
  if index > items.n then
    charge((index - items.n) // 8)
    items.n = index
  end
  items[index] = value
end
local function slice(items, first, last)
  local copy = { n = 0 }
  if last >= first then
    charge((last - first) // 2)
    move(items, first, last, 1, copy)
    copy.n = last - first + 1
  end
  return copy
end
function list_meta.__index(object, key)
  local items = list_of(object)
  local index = math_type(key) == "integer" and key or type(key) == "number" and lua.math.tointeger(key)
  if index and index >= 1 and index <= items.n then return items[index] end
  return nil
end
function list_meta.__newindex(object, key, value)
  local items = list_of(object)
  put(items, index_of(key, "list"), value)
end
function list_meta.__len(object)
  return list_of(object).n
end
function list_meta.__tostring(object)
  local items, parts = list_of(object), {}
  for index = 1, items.n do parts[index] = shown(items[index]) end
  return "List(" .. concat(parts, ", ") .. ")"
end
function List.size(object) return list_of(object).n end
function List.append(object, value)
  local items = list_of(object)
  put(items, items.n + 1, value)
end
function List.insert(object, index, value)
  local items = list_of(object)
  index = index_of(index, "list.insert")
  if index > items.n then return put(items, index, value) end
  if index < 1 then error("list.insert: index " .. index .. " is out of range", 2) end
  charge((items.n - index) // 2)
  move(items, index, items.n, index + 1)
  items[index] = value
  items.n = items.n + 1
end
function List.prepend(object, value)
  local items = list_of(object)
  charge(items.n // 2)
  move(items, 1, items.n, 2)
  items[1] = value
  items.n = items.n + 1
end
function List.take(object, count)
  local items = list_of(object)
  count = whole(count, "list.take")
  return new_list(slice(items, 1, count < items.n and count or items.n))
end
function List.drop(object, count)
  local items = list_of(object)
  count = whole(count, "list.drop")
  return new_list(slice(items, count < 0 and 1 or count + 1, items.n))
end
function List.remove(object, index)
  local items = list_of(object)
  index = index_of(index, "list.remove")
  if index < 1 or index > items.n then return end
  charge((items.n - index) // 2)
  move(items, index + 1, items.n, index)
  items[items.n] = nil
  items.n = items.n - 1
end
function List.trim(object, index)
  local items = list_of(object)
  index = index_of(index, "list.trim")
  if index < 1 then index = 1 end
  for place = index, items.n do items[place] = nil end
  if index <= items.n then items.n = index - 1 end
end
function List.clone(object)
  local items = list_of(object)
  return new_list(slice(items, 1, items.n))
end
function List.concat(object, other)
  local items, more = list_of(object), list_of(other, 2)
  charge(more.n // 2)
  local count = more.n
  move(more, 1, count, items.n + 1, items)
  items.n = items.n + count
end
function List.merge(object, other)
  local items, more = list_of(object), list_of(other, 2)
  local copy = slice(items, 1, items.n)
  charge(more.n // 2)
  move(more, 1, more.n, copy.n + 1, copy)
  copy.n = copy.n + more.n
  return new_list(copy)
end
function List.iterator(object)
  local items, index = list_of(object), 0
  return function()
    -- An iteration ends at nil: elements that are nil are passed over.
    while index < items.n do
      index = index + 1
      if items[index] ~= nil then return items[index] end
    end
  end
end
List.tostring = list_meta.__tostring
rawsetmetatable(List, { __call = function(_, initial)
  local items = { n = 0 }
  if type(initial) == "table" then
    local count = lua.rawlen(initial)
    charge(count // 2)
    move(initial, 1, count, 1, items)
    items.n = count
  end
  return new_list(items)
end })
env.list, env.List, core.modules.list = List, List, List
core.new_list, core.list_of = new_list, list_of

-- map
local Map, map_meta, map_of, new_map = core.class("Map")
local function place_of(key)
  local kind = type(key)
  if math_type(key) == "integer" then return key, true end
  if kind == "string" and byte(key, 1) ~= 0 then return key, true end
  if key == nil then error("map: a key can't be nil", 3) end
  return core.form(key), false
end
local function set(content, key, value)
  local place, plain = place_of(key)
  local values = content.v
  if value == nil then
    if values[place] == nil then return end
    values[place] = nil
    content.k[place] = nil
    content.n = content.n - 1
    return
  end
  if values[place] == nil then
    content.n = content.n + 1
    if not plain then content.k[place] = key end
  end
  values[place] = value
end
local function get(content, key)
  if key == nil then return nil end
  local value = content.v[(place_of(key))]
  if value == NIL then return nil end
  return value
end
local function each(content)
  local keys, values = content.k, content.v
  local place
  return function()
    local value
    place, value = next(values, place)
    if place == nil then return nil end
    local key = keys[place]
    if key == nil then key = place end
    if value == NIL then value = nil end
    return key, value
  end
end
local function empty()
  return { v = {}, k = {}, n = 0 }
end
local function copy_of(content)
  local copy = empty()
  for place, value in next, content.v do copy.v[place] = value end
  for place, key in next, content.k do copy.k[place] = key end
  copy.n, copy.f = content.n, content.f
  return copy
end
function map_meta.__index(object, key)
  local content = map_of(object)
  return get(content, key)
end
function map_meta.__newindex(object, key, value)
  local content = map_of(object)
  set(content, key, value)
end
function map_meta.__len(object) return map_of(object).n end
function map_meta.__tostring(object)
  local parts = {}
  for key, value in each(map_of(object)) do parts[#parts + 1] = shown(key) .. "->" .. shown(value) end
  return "Map(" .. concat(parts, ", ") .. ")"
end
map_meta.__pairs = function(object) return each(map_of(object)) end
function Map.size(object) return map_of(object).n end
function Map.pairs(object) return each(map_of(object)) end
Map.iterator = Map.pairs
function Map.keys(object)
  local step = each(map_of(object))
  return function() return (step()) end
end
function Map.values(object)
  local step = each(map_of(object))
  return function()
    while true do
      local key, value = step()
      if key == nil then return nil end
      if value ~= nil then return value end
    end
  end
end
function Map.remove(object, key)
  local content = map_of(object)
  set(content, key, nil)
end
function Map.clear(object)
  local content = map_of(object)
  content.v, content.k, content.n = {}, {}, 0
end
function Map.clone(object) return new_map(copy_of(map_of(object))) end
function Map.merge(object, other, both)
  local copy = copy_of(map_of(object))
  for key, value in each(map_of(other, 2)) do
    local mine = get(copy, key)
    if mine ~= nil and both then set(copy, key, both(mine, value)) else set(copy, key, value == nil and NIL or value) end
  end
  return new_map(copy)
end
function Map.diff(object, other)
  local left, right, result = map_of(object), map_of(other, 2), empty()
  for key, value in each(left) do
    if right.v[(place_of(key))] == nil then set(result, key, value == nil and NIL or value) end
  end
  for key, value in each(right) do
    if left.v[(place_of(key))] == nil then set(result, key, value == nil and NIL or value) end
  end
  return new_map(result)
end
Map.tostring = map_meta.__tostring
rawsetmetatable(Map, { __call = function(_, initial)
  local content = empty()
  if type(initial) == "table" then
    for key, value in next, initial do set(content, key, value) end
  elseif getmetatable(initial) == map_meta then
    content = copy_of(map_of(initial))
  end
  return new_map(content)
end })
env.map, env.Map, core.modules.map = Map, Map, Map
core.new_map, core.set, core.empty_map = new_map, set, empty
`;
