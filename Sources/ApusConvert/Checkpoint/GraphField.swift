import ApusGraph
import ApusSafetensors

/// A JSON value of `apus.graph` and where it stands, so that every error names its place: `nodes[3].attributes[0].value`.
struct GraphField {
  let value: JSONValue
  let path: String

  func error(expected: String) -> ApusError {
    ApusError(
      .malformed, "apus.graph is malformed" + (path.isEmpty ? "" : " at " + path), expected: expected, actual: value.kind)
  }

  /// An object with all the `required` keys and no other than those and the `optional` ones.
  func object(required: [String], optional: [String] = []) throws(ApusError) -> GraphObject {
    guard let members = value.objectValue else { throw error(expected: "an object") }
    for member in members where !required.contains(member.key) && !optional.contains(member.key) {
      throw ApusError(
        .malformed, "apus.graph has an unknown key" + (path.isEmpty ? "" : " at " + path),
        expected: (required + optional).joined(separator: ", "), actual: member.key)
    }
    for key in required where value[key] == nil {
      throw ApusError(.malformed, "apus.graph lacks a key" + (path.isEmpty ? "" : " at " + path), expected: key)
    }
    return GraphObject(members: members, path: path)
  }

  func array() throws(ApusError) -> [GraphField] {
    guard let values = value.arrayValue else { throw error(expected: "an array") }
    return values.enumerated().map { GraphField(value: $1, path: "\(path)[\($0)]") }
  }

  /// Text without NUL, as names are.
  func name() throws(ApusError) -> Name {
    guard let text = value.stringValue else { throw error(expected: "a string") }
    let name = Name(text)
    guard !name.bytes.contains(0) else { throw error(expected: "a string without NUL") }
    return name
  }

  func nonEmptyName() throws(ApusError) -> Name {
    let name = try name()
    guard !name.isEmpty else { throw error(expected: "a name that is not empty") }
    return name
  }

  func integer() throws(ApusError) -> Int64 {
    guard let number = value.integerValue else { throw error(expected: "an integer of 64 bits") }
    return number
  }

  func integer(from low: Int) throws(ApusError) -> Int {
    guard let number = value.integerValue, number >= low else { throw error(expected: "an integer of \(low) or more") }
    return Int(number)
  }

  /// A number that a float32 can hold; infinities and NaN stand as strings.
  func float() throws(ApusError) -> Float {
    guard let number = value.floatValue else { throw error(expected: "a number") }
    let float = Float(number)
    guard float.isFinite || !number.isFinite else { throw error(expected: "a number within float32") }
    return float
  }

  func elementType() throws(ApusError) -> ElementType {
    let name = try name()
    guard let type = ElementType.allCases.first(where: { Name($0.name.text) == name }) else {
      throw error(expected: "an element type")
    }
    return type
  }

  /// Every element read by `read`.
  func list<Element>(
    _ read: (GraphField) throws(ApusError) -> Element
  ) throws(ApusError) -> [Element] {
    var elements: [Element] = []
    for field in try array() { elements.append(try read(field)) }
    return elements
  }
}

/// An object of `apus.graph` whose keys have been checked.
struct GraphObject {
  fileprivate let members: [JSONMember]
  let path: String

  fileprivate init(members: [JSONMember], path: String) {
    self.members = members
    self.path = path
  }

  /// The field of an optional key, where it is there.
  func optional(_ key: String) -> GraphField? {
    members.first { $0.key == key }.map { GraphField(value: $0.value, path: path.isEmpty ? key : path + "." + key) }
  }

  /// The field of a key; null for one that the check did not demand.
  subscript(key: String) -> GraphField { optional(key) ?? GraphField(value: .null, path: path + "." + key) }
}
