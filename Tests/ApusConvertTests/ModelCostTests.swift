import ApusConvert
import ApusGraph
import Testing

@Suite struct ModelCostTests {
  @Test func aSmallNetworkCostsWhatCountingByHandGives() throws {
    let definition = try SmallCheckpoint().imported().definition
    #expect(definition.smallestInputShapes() == [[1, 2]])
    let cost = try ModelCost(definition, inputShapes: [[4, 2]]) { _ in nil }
    // Gemm 4x2 by 2x3: 2*4*2*3 and 12 for the bias; Relu 12; Gemm 4x3 by 3x2: 2*4*3*2.
    #expect(cost.nodes.map(\.operations) == [60, 12, 48])
    #expect(cost.operations == 120)
    #expect(cost.nodes.map(\.parameters) == [9, 0, 6])
    #expect(cost.parameters == 15)
    #expect(cost.constantBytes == 60)
    #expect(cost.outputShapes == [[4, 2]])
    // While the Relu runs: hidden and active, 4x3 floats each.
    #expect(cost.liveBytes == 96)
  }

  @Test func aConvolutionCountsItsWindowAndGroups() throws {
    var values = [Value(name: "x", type: .tensor(TensorType(.float32, [1, 4, 8, 8])))]
    values.append(Value(name: "w", constant: 0))
    values.append(Value(name: "y"))
    let node = Node(
      name: "conv", operatorName: "Conv", sinceVersion: 22, inputs: [0, 1], outputs: [2],
      attributes: [Attribute("group", .int(2))])
    let definition = ModelDefinition(
      graphs: [Graph(values: values, nodes: [node], inputs: [0], outputs: [2])],
      tensors: [
        ConstantTensor(elementType: .float32, dimensions: [6, 2, 3, 3], storage: .inline([UInt8](repeating: 0, count: 432)))
      ])
    let cost = try ModelCost(definition, inputShapes: [[1, 4, 8, 8]]) { _ in nil }
    #expect(cost.operations == 6 * 6 * 6 * 2 * 2 * 9)
    #expect(cost.outputShapes == [[1, 6, 6, 6]])
  }

  @Test func smallestShapesObeyBoundsAndMultiples() {
    func shapes(_ symbol: Symbol) -> [[Int]]? {
      ModelDefinition(
        symbols: [symbol],
        graphs: [
          Graph(values: [Value(name: "x", type: .tensor(TensorType(.float32, Shape([.symbol(0)]))))], inputs: [0])
        ]
      ).smallestInputShapes()
    }
    #expect(shapes(Symbol(name: "N")) == [[1]])
    #expect(shapes(Symbol(name: "N", minimum: 5, multiple: 4)) == [[8]])
    #expect(shapes(Symbol(name: "N", minimum: 8, multiple: 4)) == [[8]])
    #expect(shapes(Symbol(name: "N", minimum: 5, maximum: 7, multiple: 4)) == nil)
    #expect(shapes(Symbol(name: "N", minimum: .max, multiple: 4)) == nil)
  }

  @Test func shapesStandInTheOrderOfTheSignatureAndShareSymbols() throws {
    var definition = ModelDefinition(
      symbols: [Symbol(name: "N")],
      graphs: [
        Graph(
          values: [
            Value(name: "a", type: .tensor(TensorType(.float32, Shape([.symbol(0)])))),
            Value(name: "b", type: .tensor(TensorType(.float32, Shape([.symbol(0), .known(2)])))),
          ], inputs: [0, 1], outputs: [0])
      ])
    #expect(try definition.inputShapes(["a": [3]]) == [[3], [3, 2]])
    definition.signatures = [Signature(name: "run", inputs: [1, 0], outputs: [0])]
    #expect(try definition.inputShapes(["a": [3]]) == [[3, 2], [3]])
    #expect(try definition.inputShapes([:]) == [[1, 2], [1]])
    let cost = try ModelCost(definition, inputShapes: [[5, 2], [5]]) { _ in nil }
    #expect(cost.outputShapes == [[5]])
  }
}
