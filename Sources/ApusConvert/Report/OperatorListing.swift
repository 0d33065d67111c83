import ApusGraph
import ApusSafetensors

/// The operators that this release knows, for people and for programs.
public struct OperatorListing {
  public let registry: OperatorRegistry

  public init(_ registry: OperatorRegistry = .core) { self.registry = registry }

  private var schemas: [OperatorSchema] {
    registry.schemas.sorted { $0.domain == $1.domain ? $0.name < $1.name : $0.domain < $1.domain }
  }

  public var text: String {
    var table = TextTable(
      .init(title: "operator"), .init(title: "versions"), .init(title: "inputs"), .init(title: "outputs"),
      .init(title: "attributes"))
    table.indentation = ""
    for schema in schemas {
      table.rows.append([
        schema.domain.string + "." + schema.name.string, schema.versions.map { "\($0)" }.joined(separator: ", "),
        schema.inputs.map(\.text).joined(separator: ", "), schema.outputs.map(\.text).joined(separator: ", "),
        schema.attributes.map { $0.name.string + ($0.isRequired ? "" : "?") }.joined(separator: ", "),
      ])
    }
    return table.text()
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.operators`.
  public var json: JSONValue {
    func parameter(_ parameter: Parameter) -> JSONValue {
      [
        "name": .string(parameter.name.text), "arity": .string(parameter.arity.text),
        "types": .array(
          ElementType.allCases.filter { parameter.types.contains($0) }.map { .string($0.name.text) }),
      ]
    }
    return [
      "format": "apus.operators", "version": 1,
      "operators": .array(
        schemas.map { schema in
          [
            "domain": .string(schema.domain.string), "name": .string(schema.name.string),
            "versions": .array(schema.versions.map { JSONValue($0) }), "inputs": .array(schema.inputs.map(parameter)),
            "outputs": .array(schema.outputs.map(parameter)),
            "attributes": .array(
              schema.attributes.map {
                [
                  "name": .string($0.name.string), "type": .string($0.kind.text), "required": .bool($0.isRequired),
                ]
              }),
          ]
        }),
    ]
  }
}

extension Parameter {
  /// `B?` where it may be left out, `inputs...` where it repeats.
  fileprivate var text: String {
    switch arity {
    case .required: name.text
    case .optional: name.text + "?"
    case .variadic, .variadicOptional: name.text + "..."
    }
  }
}

extension Parameter.Arity {
  fileprivate var text: String {
    switch self {
    case .required: "required"
    case .optional: "optional"
    case .variadic, .variadicOptional: "variadic"
    }
  }
}
