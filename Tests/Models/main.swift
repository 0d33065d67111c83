// Writes the models of the C tests.
//
// usage: apus-test-models FOLDER
import ApusFormatWriter
import ApusGraph

/// LeNet-5 for [N, 1, 28, 28], with random weights.
func lenet() -> ModelDefinition {
  var model = ModelBuilder(symbols: [Symbol(name: "N", minimum: 1, maximum: 4096)])
  var x = model.input("input", .float32, Shape([.symbol(0), .known(1), .known(28), .known(28)]))
  func convolution(_ name: Name, _ x: ValueID, _ inputs: Int, _ outputs: Int, pad: Int64) -> ValueID {
    let weight = model.weights(Name(name.string + ".weight"), [outputs, inputs, 5, 5], bound: 0.2)
    let bias = model.weights(Name(name.string + ".bias"), [outputs], bound: 0.1)
    let sum = model.node(
      "Conv", 22, [x, weight, bias], named: name,
      [Attribute("kernel_shape", .ints([5, 5])), Attribute("pads", .ints([pad, pad, pad, pad]))])
    let relu = model.node("Relu", 14, [sum], named: Name(name.string + ".relu"))
    return model.node(
      "MaxPool", 22, [relu], named: Name(name.string + ".pool"),
      [Attribute("kernel_shape", .ints([2, 2])), Attribute("strides", .ints([2, 2]))])
  }
  func linear(_ name: Name, _ x: ValueID, _ inputs: Int, _ outputs: Int) -> ValueID {
    let weight = model.weights(Name(name.string + ".weight"), [outputs, inputs], bound: 0.1)
    let bias = model.weights(Name(name.string + ".bias"), [outputs], bound: 0.1)
    return model.node("Gemm", 13, [x, weight, bias], named: name, [Attribute("transB", .int(1))])
  }
  x = convolution("conv1", x, 1, 6, pad: 2)
  x = convolution("conv2", x, 6, 16, pad: 0)
  x = model.node("Flatten", 21, [x], named: "flatten", [Attribute("axis", .int(1))])
  x = model.node("Relu", 14, [linear("fc1", x, 400, 120)], named: "fc1.relu")
  x = model.node("Relu", 14, [linear("fc2", x, 120, 84)], named: "fc2.relu")
  model.output(linear("logits", x, 84, 10))
  model.metadata("task", "classification")
  model.metadata("license", "Apache-2.0")
  return model.build()
}

/// A sequence [7, N, 8] through an LSTM of 16 to [1, N, 16].
func lstm() -> ModelDefinition {
  var model = ModelBuilder(symbols: [Symbol(name: "N", minimum: 1)])
  let x = model.input("input", .float32, Shape([.known(7), .symbol(0), .known(8)]))
  let w = model.weights("w", [1, 64, 8], bound: 0.4)
  let r = model.weights("r", [1, 64, 16], bound: 0.4)
  let b = model.weights("b", [1, 128], bound: 0.4)
  let sequence = model.node("LSTM", 22, [x, w, r, b], named: "lstm", outputs: 2, [Attribute("hidden_size", .int(16))])
  model.output(model.node("Tanh", 13, [sequence + 1], named: "last"))
  return model.build()
}

/// y = 2 x + 1 over [2, 3]; one test vector, right or wrong in one element.
func affine(correct: Bool) -> ModelDefinition {
  var model = ModelBuilder()
  let x = model.input("x", .float32, [2, 3])
  let two = model.constant("two", [2], [1])
  let one = model.constant("one", [1], [1])
  let product = model.node("Mul", 14, [x, two], named: "product")
  model.output(model.node("Add", 14, [product, one], named: "y"))
  model.testVector(
    "ramp", input: ("x", [0, 1, 2, 3, 4, 5], [2, 3]), output: ("y", [1, 3, 5, 7, 9, correct ? 11 : 11.5], [2, 3]),
    tolerance: 1e-6)
  return model.build()
}

/// y = 2 x over [2, 3] on 8 bits: x as uint8 (scale 0.5, zero point 10), y as int8 (scale 2, zero point -3).
func quantized() -> ModelDefinition {
  var model = ModelBuilder()
  let x = model.input("x", .float32, [2, 3])
  let (scale, zero) = (model.constant("x.scale", [0.5], []), model.constant("x.zero", byte: 10, .uint8))
  let integers = model.node("QuantizeLinear", 25, [x, scale, zero], named: "x.integers")
  let real = model.node("DequantizeLinear", 25, [integers, scale, zero], named: "x.real")
  let product = model.node("Mul", 14, [real, model.constant("two", [2], [])], named: "product")
  let (outScale, outZero) = (model.constant("y.scale", [2], []), model.constant("y.zero", byte: 0xFD, .int8))
  let result = model.node("QuantizeLinear", 25, [product, outScale, outZero], named: "y.integers")
  model.output(model.node("DequantizeLinear", 25, [result, outScale, outZero], named: "y"))
  model.testVector(
    "ramp", input: ("x", [0, 1, 2, 3, 4, 5], [2, 3]), output: ("y", [0, 2, 4, 6, 8, 10], [2, 3]), tolerance: 0)
  return model.build()
}

/// The running sum of its inputs [1, 4], which starts at 10, 20, 30, 40.
func counter() -> ModelDefinition {
  var model = ModelBuilder()
  let x = model.input("x", .float32, [1, 4])
  let before = model.input("sum.in", .float32, [1, 4])
  let after = model.node("Add", 14, [x, before], named: "sum.out")
  model.output(after)
  model.state("sum", input: before, output: after, initial: [10, 20, 30, 40], [1, 4])
  model.output(model.node("Mul", 14, [after, model.constant("minus", [-1], [1])], named: "negative"))
  return model.build()
}

/// Rows of a table of 5 by 3, picked by K indices.
func gather() -> ModelDefinition {
  var model = ModelBuilder(symbols: [Symbol(name: "K", minimum: 0, maximum: 100, multiple: 2)])
  let indices = model.input("indices", .int64, Shape([.symbol(0)]))
  let table = model.constant("table", (0..<15).map { Float($0) }, [5, 3])
  model.output(model.node("Gather", 13, [table, indices], named: "rows"))
  return model.build()
}

/// 16 products of [N, 512] with 512 x 512: long enough to be stopped on the way.
func slow() -> ModelDefinition {
  var model = ModelBuilder(symbols: [Symbol(name: "N", minimum: 1)])
  var x = model.input("input", .float32, Shape([.symbol(0), .known(512)]))
  let weight = model.weights("weight", [512, 512], bound: 0.05)
  for layer in 0..<16 { x = model.node("MatMul", 13, [x, weight], named: Name("layer\(layer)")) }
  model.output(x)
  return model.build()
}

/// Two convolutions of [N, 3, 64, 64] whose layers outgrow the caches from a few images on: a batch runs image by image.
func pixels() -> ModelDefinition {
  var model = ModelBuilder(symbols: [Symbol(name: "N", minimum: 1)])
  var x = model.input("input", .float32, Shape([.symbol(0), .known(3), .known(64), .known(64)]))
  for (layer, (inputs, outputs)) in [(3, 16), (16, 4)].enumerated() {
    let weight = model.weights(Name("weight\(layer)"), [outputs, inputs, 3, 3], bound: 0.2)
    let sum = model.node(
      "Conv", 22, [x, weight], named: Name("conv\(layer)"),
      [Attribute("kernel_shape", .ints([3, 3])), Attribute("pads", .ints([1, 1, 1, 1]))])
    x = model.node("Relu", 14, [sum], named: Name("relu\(layer)"))
  }
  model.output(model.node("GlobalAveragePool", 22, [x], named: "means"))
  return model.build()
}

/// One product with 16 MiB of weights.
func wide() -> ModelDefinition {
  var model = ModelBuilder()
  let x = model.input("input", .float32, [1, 2048])
  let weight = model.weights("weight", [2048, 2048], bound: 0.02)
  let product = model.node("MatMul", 13, [x, weight], named: "product")
  model.output(product)
  return model.build()
}

/// 1 where an element of [2, 3] is above 2, else 0: by an operator of the pack `extras`.
func binarizer() -> ModelDefinition {
  var model = ModelBuilder()
  let x = model.input("x", .float32, [2, 3])
  model.output(
    model.node("Binarizer", domain: .machineLearning, 1, [x], named: "above", [Attribute("threshold", .float(2))]))
  return model.build()
}

let models: [(String, ModelDefinition)] = [
  ("lenet", lenet()), ("lstm", lstm()), ("affine", affine(correct: true)), ("affine-wrong", affine(correct: false)),
  ("counter", counter()), ("gather", gather()), ("slow", slow()), ("wide", wide()), ("binarizer", binarizer()),
  ("pixels", pixels()), ("quantized", quantized()),
]
guard CommandLine.arguments.count == 2 else { fatalError("usage: apus-test-models FOLDER") }
for (name, definition) in models {
  let needs = Needs(flops: 1000, liveBytes: 2000, minimumRuntime: RuntimeVersion(0, 1, 0))
  do {
    try ModelWriter().write(definition, needs: needs, to: CommandLine.arguments[1] + "/" + name + ".apus")
  } catch {
    fatalError("\(name): \(error)")
  }
}
