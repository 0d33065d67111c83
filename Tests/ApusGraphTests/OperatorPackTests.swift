import ApusGraph
import Testing

@Suite struct OperatorPackTests {
  private func refusal(_ schema: OperatorSchema, by registry: OperatorRegistry) -> ApusError? {
    let node = Node(
      name: "n", domain: schema.domain, operatorName: schema.name, sinceVersion: schema.versions[0], inputs: [], outputs: [])
    do {
      _ = try registry.schema(of: node)
      return nil
    } catch { return error }
  }

  @Test func coreSaysOfEachExtraOperatorWhichLibraryHasIt() {
    #expect(OperatorRegistry.core.pack.name.description == "core")
    let missing = OperatorRegistry.full.schemas.filter {
      OperatorRegistry.core.schemas(domain: $0.domain, name: $0.name).isEmpty
    }
    #expect(missing.count > 15)
    for schema in missing {
      let error = refusal(schema, by: .core)
      #expect(error?.status == .unsupportedOperator)
      #expect(error?.message.contains("libapus-full") == true, "\(schema.name.string)")
      #expect(error?.operatorName.contains(schema.name.string) == true)
      #expect(refusal(schema, by: .full) == nil)
    }
  }

  @Test func operatorsThatNobodyHasAreNotPromised() {
    let unknown = OperatorSchema(name: "Frobnicate", versions: [1], inputs: [], outputs: []) { _ in }
    for registry in [OperatorRegistry.core, .full] {
      #expect(refusal(unknown, by: registry)?.message == "this build has no such operator")
    }
  }

  @Test func aSelectionSaysThatItWasMadeForOtherModels() {
    let selection = OperatorRegistry([.relu], pack: .selection)
    #expect(refusal(.relu, by: selection) == nil)
    #expect(refusal(.sigmoid, by: selection)?.message.contains("OPS=") == true)
  }

  @Test func setsOfTypesHoldWhatTheyList() {
    let set = TypeSet(.float32, .int8, .string, .int2)
    for type in ElementType.allCases {
      #expect(set.contains(type) == [.float32, .int8, .string, .int2].contains(type))
    }
    #expect(TypeSet(.uint4).text == "uint4")
  }

  @Test func namesCompareWithLiteralsByBytes() {
    #expect(Name("Conv").is("Conv"))
    #expect(!Name("Conv").is("Con"))
    #expect(!Name("Con").is("Conv"))
    #expect(Name.empty.is(""))
  }
}
