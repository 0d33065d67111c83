import ApusGraph
import Foundation
import Testing

@testable import ApusConvert

@Suite struct ONNXImportTests {
  private typealias O = ONNXModel

  // MARK: Values

  @Test func initializersThatAreInputsAreConstants() throws {
    let definition = try O.imported(
      O.model(
        O.graph(
          [O.node("Add", ["x", "w"], ["y"])], inputs: [O.input("x", [2]), O.input("w", [2])], outputs: ["y"],
          initializers: [O.floats("w", [2], [1, 2])]), irVersion: 3))
    let graph = definition.graphs[0]
    #expect(graph.inputs.count == 1)
    let constant = try #require(graph.values.first { $0.name == "w" }?.constant)
    #expect(definition.tensors[Int(constant)].dimensions == [2])
  }

  @Test func everyFormOfConstantIsAValue() throws {
    let sparse = { () -> ONNXAttributeProto in
      var attribute = O.attribute("sparse_value", .sparseTensor)
      attribute.sparseTensor.values = O.floats("", [2], [5, 7])
      attribute.sparseTensor.indices = O.integers("", [1, 3])
      attribute.sparseTensor.dims = [4]
      return attribute
    }()
    var tensor = O.attribute("value", .tensor)
    tensor.t = O.integers("", [8, 9])
    var strings = O.attribute("value_strings", .strings)
    strings.strings = [Data("a".utf8), Data("bc".utf8)]
    let forms = [
      tensor, sparse, O.float("value_float", 1.5), O.floats("value_floats", [2, 3]), O.int("value_int", 4),
      O.ints("value_ints", [5, 6]), strings, O.string("value_string", "d"),
    ]
    let nodes = forms.enumerated().map { O.node("Constant", [], ["c\($0.offset)"], [$0.element]) }
    let definition = try O.imported(O.model(O.graph(nodes, outputs: forms.indices.map { "c\($0)" })))
    #expect(definition.graphs[0].nodes.isEmpty)
    func bytes(_ index: Int) throws -> [UInt8] {
      let value = definition.graphs[0].values[Int(definition.graphs[0].outputs[index])]
      guard case .inline(let bytes) = definition.tensors[Int(try #require(value.constant))].storage else { return [] }
      return bytes
    }
    #expect(ElementType.int64.integers(try bytes(0)) == [8, 9])
    #expect(ElementType.float32.floats(try bytes(1)) == [0, 5, 0, 7])
    #expect(ElementType.float32.floats(try bytes(2)) == [1.5])
    #expect(ElementType.float32.floats(try bytes(3)) == [2, 3])
    #expect(ElementType.int64.integers(try bytes(4)) == [4])
    #expect(ElementType.int64.integers(try bytes(5)) == [5, 6])
    #expect(ElementType.int64.integers(Array(try bytes(6).prefix(24))) == [0, 1, 3])
    #expect(try bytes(6).suffix(3) == Array("abc".utf8)[...])
    #expect(try bytes(7).suffix(1) == Array("d".utf8)[...])
  }

  @Test func typedFieldsHoldEveryElementType() throws {
    func decoded(_ type: ElementType, _ dims: [Int64], _ fill: (inout ONNXTensorProto) -> Void) throws -> [UInt8] {
      var proto = O.tensor("t", type, dims)
      fill(&proto)
      return try DecodedTensor(proto, folder: nil).bytes()
    }
    #expect(try decoded(.int8, [2]) { $0.int32Data = [-1, 5] } == [0xff, 5])
    #expect(try decoded(.uint16, [1]) { $0.int32Data = [0xfffe] } == [0xfe, 0xff])
    #expect(try decoded(.float16, [1]) { $0.int32Data = [0x3c00] } == [0, 0x3c])
    #expect(try decoded(.bool, [2]) { $0.int32Data = [1, 0] } == [1, 0])
    #expect(try decoded(.uint32, [1]) { $0.uint64Data = [0xffff_ffff] } == [0xff, 0xff, 0xff, 0xff])
    #expect(try decoded(.float64, [1]) { $0.doubleData = [1] } == [0, 0, 0, 0, 0, 0, 0xf0, 0x3f])
    #expect(try decoded(.complex64, [1]) { $0.floatData = [1, -1] } == [0, 0, 0x80, 0x3f, 0, 0, 0x80, 0xbf])
    #expect(try decoded(.float8e5m2, [1]) { $0.int32Data = [0x7c] } == [0x7c])
    // Three 4-bit elements: the high half of the last byte is nobody's.
    #expect(try decoded(.int4, [3]) { $0.int32Data = [0x21, 0xf3] } == [0x21, 0x03])
    #expect(try decoded(.uint2, [5]) { $0.rawData = Data([0x1b, 0xff]) } == [0x1b, 0x03])
    #expect(try decoded(.float32, [0, 7]) { _ in } == [])
  }

  @Test func elementsThatDoNotFitAreErrors() {
    func failure(_ type: ElementType, _ dims: [Int64], _ fill: (inout ONNXTensorProto) -> Void) -> ApusError.Status? {
      var proto = O.tensor("t", type, dims)
      fill(&proto)
      do throws(ApusError) {
        _ = try DecodedTensor(proto, folder: nil)
        return nil
      } catch {
        return error.tensorName == "t" ? error.status : nil
      }
    }
    #expect(failure(.int8, [1]) { $0.int32Data = [128] } == .malformed)
    #expect(failure(.bool, [1]) { $0.rawData = Data([2]) } == .malformed)
    #expect(failure(.float32, [2]) { $0.floatData = [1] } == .truncated)
    #expect(failure(.float32, [1]) { $0.rawData = Data([1, 2, 3, 4, 5]) } == .malformed)
    #expect(failure(.float32, [-1]) { _ in } == .malformed)
    #expect(failure(.float32, [1 << 40, 1 << 40]) { _ in } == .malformed)
    #expect(failure(.float64, [1 << 61]) { _ in } == .malformed)
    #expect(failure(.float32, [1 << 40]) { _ in } == .truncated)
    #expect(failure(.string, [1]) { $0.stringData = [Data([0xff])] } == .malformed)
    #expect(failure(.float32, [1]) { $0.dataType = 99 } == .unsupportedType)
    #expect(failure(.float32, Array(repeating: 1, count: 65)) { $0.floatData = [1] } == .limitExceeded)
  }

  @Test func sparseTensorsAreBounded() {
    func failure(_ dims: [Int64], _ indices: [Int64]) -> ApusError.Status? {
      var sparse = ONNXSparseTensorProto()
      sparse.values = O.floats("s", [Int64(indices.count)], indices.map { _ in 1 })
      sparse.indices = O.integers("", indices)
      sparse.dims = dims
      do throws(ApusError) {
        _ = try DecodedTensor(sparse: sparse, folder: nil)
        return nil
      } catch {
        return error.status
      }
    }
    #expect(failure([4], [3]) == nil)
    #expect(failure([4], [4]) == .malformed)
    #expect(failure([4], [-1]) == .malformed)
    #expect(failure([1 << 20, 1 << 20], [0]) == .limitExceeded)
    #expect(failure([1 << 62, 8], [0]) == .limitExceeded)
  }

  @Test func typesOfEveryKind() throws {
    var symbols = SymbolTable()
    var tensor = ONNXTypeProto()
    tensor.tensorType.elemType = ElementType.float32.rawValue
    tensor.tensorType.shape.dim = [.init(), .init(), .init()]
    tensor.tensorType.shape.dim[0].dimParam = "N"
    tensor.tensorType.shape.dim[1].dimValue = 3
    let shape: Shape = Shape([.symbol(0), .known(3), .unknown])
    #expect(try symbols.type(tensor) == .tensor(TensorType(.float32, shape)))
    #expect(symbols.symbols.map(\.name) == ["N"])
    var sequence = ONNXTypeProto()
    sequence.sequenceType.elemType = tensor
    var optional = ONNXTypeProto()
    optional.optionalType.elemType = sequence
    #expect(try symbols.type(optional) == .optional(.sequence(.tensor(TensorType(.float32, shape)))))
    var map = ONNXTypeProto()
    map.mapType.keyType = ElementType.string.rawValue
    map.mapType.valueType = sequence
    #expect(try symbols.type(map) == .map(key: .string, value: .sequence(.tensor(TensorType(.float32, shape)))))
    tensor.tensorType.shape.dim[1].dimValue = -5
    #expect(throws: ApusError.self) { try symbols.type(tensor) }
  }

  @Test func fixedShapesBindSymbolsEverywhere() throws {
    func input(_ name: String) -> ONNXValueInfoProto {
      var info = O.input(name, [-1, 4])
      info.type.tensorType.shape.dim[0].dimParam = "N"
      return info
    }
    let model = O.model(O.graph([O.node("Add", ["a", "b"], ["y"])], inputs: [input("a"), input("b")], outputs: ["y"]))
    var options = ONNXImporter.Options()
    options.fixedShapes = ["a": [3, 4]]
    let definition = try O.imported(model, options)
    for value in definition.graphs[0].values { #expect(value.type?.tensor?.shape?.known == [3, 4]) }
    #expect(definition.symbols.isEmpty)
    func status(_ shapes: [Name: [Int]]) -> ApusError.Status? {
      options.fixedShapes = shapes
      do throws(ApusError) {
        _ = try O.imported(model, options)
        return nil
      } catch {
        return error.status
      }
    }
    #expect(status(["c": [1]]) == .unknownName)
    #expect(status(["a": [3, 5]]) == .shapeMismatch)
    #expect(status(["a": [3]]) == .shapeMismatch)
    #expect(status(["a": [3, 4], "b": [2, 4]]) == .shapeMismatch)
  }

  // MARK: Order and names

  @Test func nodesAreSortedWhereTheFileDoesNot() throws {
    let lines = try O.listing(
      O.model(
        O.graph(
          [O.node("Relu", ["b"], ["y"]), O.node("Neg", ["a"], ["b"]), O.node("Abs", ["x"], ["a"])],
          inputs: [O.input("x", [2])], outputs: ["y"])))
    #expect(lines == ["Abs(x) -> a", "Neg(a) -> b", "Relu(b) -> y"])
  }

  @Test func cyclesNameTheirNodes() {
    #expect {
      try O.imported(
        O.model(
          O.graph(
            [
              O.node("Relu", ["x"], ["z"], name: "outside"), O.node("Add", ["x", "b"], ["a"], name: "first"),
              O.node("Neg", ["a"], ["b"], name: "second"),
            ], inputs: [O.input("x", [2])], outputs: ["b"])))
    } throws: { error in
      guard let error = error as? ApusError else { return false }
      return error.status == .invalidModel && error.message.contains("'first'") && error.message.contains("'second'")
        && !error.message.contains("outside")
    }
  }

  @Test func valuesAreWrittenOnce() {
    let graphs = [
      O.graph([O.node("Abs", ["x"], ["y"]), O.node("Neg", ["x"], ["y"])], inputs: [O.input("x", [2])], outputs: ["y"]),
      O.graph([O.node("Abs", ["x"], ["x"])], inputs: [O.input("x", [2])], outputs: ["x"]),
      O.graph([O.node("Abs", ["x"], ["y"])], inputs: [O.input("x", [2]), O.input("x", [2])], outputs: ["y"]),
      O.graph([], outputs: ["w"], initializers: [O.integers("w", [1]), O.integers("w", [2])]),
      O.graph([O.node("Abs", ["nobody"], ["y"])], outputs: ["y"]),
      O.graph([], outputs: ["nobody"]),
    ]
    for graph in graphs { #expect(throws: ApusError.self) { try O.imported(O.model(graph)) } }
  }

  // MARK: Graphs in graphs

  @Test func bodiesCaptureWhatTheyReadAround() throws {
    let inner = O.graph([O.node("Add", ["x", "w"], ["i"])], outputs: ["i"], name: "inner")
    let middle = O.graph(
      [O.node("If", ["c"], ["m"], [O.graph("then_branch", inner), O.graph("else_branch", inner)])], outputs: ["m"])
    let definition = try O.imported(
      O.model(
        O.graph(
          [O.node("If", ["c"], ["y"], [O.graph("then_branch", middle), O.graph("else_branch", middle)])],
          inputs: [O.input("c", [], .bool), O.input("x", [2])], outputs: ["y"], initializers: [O.floats("w", [2], [1, 2])])))
    #expect(definition.graphs.count == 7)
    #expect(definition.graphs[0].captures.isEmpty)
    for graph in definition.graphs.dropFirst() {
      let parent = try #require(graph.parent)
      for capture in graph.captures {
        #expect(graph.values[Int(capture.inner)].name == definition.graphs[Int(parent)].values[Int(capture.outer)].name)
      }
      if graph.name == "inner" {
        // x is captured through the graph between; w is a constant and needs no capture.
        #expect(graph.captures.count == 1)
        #expect(graph.values.first { $0.name == "w" }?.constant != nil)
      }
    }
  }

  // MARK: Functions

  @Test func functionsAreInlinedWithTheirAttributes() throws {
    let scaled = O.function(
      "Scaled", inputs: ["a"], outputs: ["r"], attributes: ["axis"], defaults: [O.float("slope", 0.5)],
      [
        O.node("LeakyRelu", ["a"], ["t"], [O.reference("alpha", to: "slope", .float)]),
        O.node("Softmax", ["t"], ["r"], [O.reference("axis", to: "axis", .int)]),
      ])
    let twice = O.function(
      "Twice", inputs: ["a"], outputs: ["r", "same"], attributes: ["axis"],
      [
        O.node("Scaled", ["a"], ["t"], [O.reference("axis", to: "axis", .int), O.float("slope", 0.25)], domain: "local"),
        O.node("Scaled", ["t"], ["r"], [O.reference("axis", to: "axis", .int)], domain: "local", name: "again"),
        O.node("Identity", ["a"], ["same"]),
      ])
    let lines = try O.listing(
      O.model(
        O.graph(
          [O.node("Twice", ["x"], ["y", "z"], [O.int("axis", 0)], domain: "local", name: "call")],
          inputs: [O.input("x", [2])], outputs: ["y", "z"]), functions: [scaled, twice], otherSets: ["local": 1]))
    #expect(
      lines == [
        "LeakyRelu(x) alpha=0.25 -> call/Scaled/t", "Softmax(call/Scaled/t) axis=0 -> call/t",
        "LeakyRelu(call/t) alpha=0.5 -> call/again/t", "Softmax(call/again/t) axis=0 -> y", "Identity(x) -> z",
      ])
  }

  @Test func functionsMayHandInputsOnAndLeaveThemOut() throws {
    let function = O.function(
      "F", inputs: ["a", "low"], outputs: ["a", "r"], [O.node("Clip", ["a", "low"], ["r"])])
    let lines = try O.listing(
      O.model(
        O.graph(
          [O.node("F", ["x"], ["y", "z"], domain: "local")], inputs: [O.input("x", [2])], outputs: ["y", "z"]),
        functions: [function], otherSets: ["local": 1]))
    #expect(lines == ["Clip(x) -> z", "Identity(x) -> y"])
  }

  @Test func functionsThatCallEachOtherAreErrors() {
    let functions = [("F", "G"), ("G", "F")].map { name, callee in
      O.function(name, inputs: ["a"], outputs: ["r"], [O.node(callee, ["a"], ["r"], domain: "local")])
    }
    #expect {
      try O.imported(
        O.model(
          O.graph([O.node("F", ["x"], ["y"], domain: "local")], inputs: [O.input("x", [2])], outputs: ["y"]),
          functions: functions, otherSets: ["local": 1]))
    } throws: { ($0 as? ApusError)?.message.contains("F -> G -> F") == true }
  }

  @Test func functionsUseTheirOwnOperatorSets() throws {
    let function = O.function(
      "F", inputs: ["a"], outputs: ["r"], operatorSet: 11, [O.node("Squeeze", ["a"], ["r"], [O.ints("axes", [0])])])
    let lines = try O.listing(
      O.model(
        O.graph([O.node("F", ["x"], ["y"], domain: "local")], inputs: [O.input("x", [1, 2])], outputs: ["y"]),
        functions: [function], otherSets: ["local": 1]))
    #expect(lines == ["Squeeze(x, [0]) -> y"])
  }

  // MARK: The whole

  @Test func metadataIsKept() throws {
    var model = O.model(O.graph([], inputs: [O.input("x", [1])], outputs: ["x"]))
    model.producerName = "writer"
    var entry = ONNXStringStringEntryProto()
    entry.key = "author"
    entry.value = "somebody"
    model.metadataProps = [entry]
    let entries = try O.imported(model).metadata.entries
    #expect(entries.contains(Metadata.Entry(key: "author", value: "somebody")))
    #expect(entries.contains(Metadata.Entry(key: "onnx.producer_name", value: "writer")))
    #expect(entries.map(\.key) == entries.map(\.key).sorted())
  }

  @Test func everyUnsupportedOperatorIsReported() throws {
    let nodes = (0..<5).map { O.node("Unheard\($0)", ["x"], ["y\($0)"], domain: "com.example", name: "n\($0)") }
    let model = O.model(
      O.graph(nodes, inputs: [O.input("x", [1])], outputs: ["y0"]), otherSets: ["com.example": 3])
    let problems = try ONNXImporter.survey(model, folder: nil, ONNXImporter.Options()).problems
    #expect(problems.map(\.operatorName.string) == (0..<5).map { "Unheard\($0)" })
    #expect(problems.allSatisfy { $0.error.status == .unsupportedOperator && $0.version == 3 && !$0.advice.isEmpty })
  }
}
