import ApusGraph
import CApusKernels

extension PlanBuilder {
  /// Emits transforms whose sizes and strides are told, of the operand `input` with an optional window.
  fileprivate func emitTransform(
    _ arguments: apusk_dft_args, input: BufferID, window: BufferID?, output: BufferID
  ) throws(ApusError) {
    var sizes = arguments
    var plan = apusk_plan()
    try check(apusk_dft_plan(&sizes, &plan))
    try emit(plan, [input, window, output]) { pointers in
      var arguments = arguments
      arguments.input = UnsafeRawPointer(pointers[input])
      arguments.window = UnsafeRawPointer(pointers.bytes(window))
      arguments.output = pointers[output]
      return arguments
    }
  }
}

extension KernelBinding {
  private static let signalTypes = TypeSet(.float32, .float64, .int32, .int64)

  static let dft = KernelBinding("DFT", native: signalTypes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let result = try builder.extents(node.output(0))
    let last = extents.count - 1
    guard let axis = try node.context.fourierAxis(rank: extents.count),
      let length = try node.context.fourierLength(.known(extents[axis])).value
    else { throw node.unsupported("a length or axis that is not known", expected: "integers") }
    let inner = try checkedElementCount(Array(extents[(axis + 1)..<last]))
    let (components, resultComponents) = (extents[last], result[last])
    var arguments = apusk_dft_args()
    arguments.element_type = try builder.elementType(node.input(0)).rawValue
    arguments.n = Int64(length)
    arguments.samples = Int64(min(extents[axis], length))
    arguments.bins = Int64(result[axis])
    arguments.outer = Int64(try checkedElementCount(Array(extents[..<axis])))
    arguments.inner = Int64(inner)
    arguments.input_outer = Int64(extents[axis] * inner * components)
    arguments.input_inner = Int64(components)
    arguments.input_step = Int64(inner * components)
    arguments.output_outer = Int64(result[axis] * inner * resultComponents)
    arguments.output_inner = Int64(resultComponents)
    arguments.output_step = Int64(inner * resultComponents)
    arguments.complex_input = components == 2 ? 1 : 0
    arguments.inverse = node.attributes.flag("inverse") ? 1 : 0
    arguments.real_output = resultComponents == 1 ? 1 : 0
    if resultComponents == 1 { arguments.samples = min(arguments.samples, arguments.n / 2 + 1) }
    try builder.emitTransform(
      arguments, input: try builder.input(node.input(0)), window: nil, output: try builder.output(node.output(0)))
  }

  static let stft = KernelBinding("STFT", native: signalTypes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    let result = try builder.extents(node.output(0))
    guard let length = try node.context.frameLength().value, let step = node.context.input(1)?.integers?.first else {
      throw node.unsupported("a frame length or step that is not known", expected: "integers")
    }
    let components = extents.count == 3 ? extents[2] : 1
    var arguments = apusk_dft_args()
    arguments.element_type = try builder.elementType(node.input(0)).rawValue
    arguments.n = Int64(length)
    arguments.samples = arguments.n
    arguments.bins = Int64(result[2])
    arguments.outer = Int64(extents[0])
    arguments.inner = Int64(result[1])
    arguments.input_outer = Int64(extents[1] * components)
    arguments.input_inner = Int64(try Int(step).checkedMultiplied(by: components))
    arguments.input_step = Int64(components)
    arguments.output_outer = Int64(result[1] * result[2] * 2)
    arguments.output_inner = Int64(result[2] * 2)
    arguments.output_step = 2
    arguments.complex_input = components == 2 ? 1 : 0
    let window = try node.optionalInput(2).map { id throws(ApusError) in try builder.input(id) }
    try builder.emitTransform(
      arguments, input: try builder.input(node.input(0)), window: window, output: try builder.output(node.output(0)))
  }

  /// Types that windows and filter banks are made in.
  private static let madeTypes = TypeSet([
    .signedIntegers, .unsignedIntegers, TypeSet(.float32, .float64),
  ])

  private static func window(_ name: StaticString, _ a0: Double, _ a1: Double, _ a2: Double) -> KernelBinding {
    KernelBinding(name, native: madeTypes) { builder, node throws(ApusError) in
      let output = try builder.output(node.output(0))
      var arguments = apusk_window_args()
      arguments.n = Int64(try builder.extents(node.output(0))[0])
      arguments.a0 = a0
      arguments.a1 = a1
      arguments.a2 = a2
      arguments.element_type = try builder.elementType(node.output(0)).rawValue
      arguments.periodic = node.attributes.flag("periodic") ? 1 : 0
      var plan = apusk_plan()
      try builder.check(apusk_window_plan(&arguments, &plan))
      let base = arguments
      try builder.emit(plan, [output]) { pointers in
        var arguments = base
        arguments.output = pointers[output]
        return arguments
      }
    }
  }

  static let hannWindow = window("HannWindow", 0.5, 0.5, 0)
  static let hammingWindow = window("HammingWindow", 25.0 / 46, 21.0 / 46, 0)
  static let blackmanWindow = window("BlackmanWindow", 0.42, 0.5, 0.08)

  static let melWeightMatrix = KernelBinding("MelWeightMatrix", native: madeTypes) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.output(0))
    guard let length = node.context.input(1)?.integers?.first, let rate = node.context.input(2)?.integers?.first,
      let lower = node.context.input(3)?.floats?.first, let upper = node.context.input(4)?.floats?.first
    else { throw node.unsupported("filters whose edges are not known", expected: "numbers") }
    guard rate > 0 else {
      throw node.context.error("wrong sample rate", input: 2, expected: "1 or more", actual: "\(rate)")
    }
    var arguments = apusk_mel_args()
    arguments.bins = Int64(extents[0])
    arguments.mel_bins = Int64(extents[1])
    arguments.dft_length = length
    arguments.sample_rate = rate
    arguments.lower_hertz = lower
    arguments.upper_hertz = upper
    arguments.element_type = try builder.elementType(node.output(0)).rawValue
    var plan = apusk_plan()
    try builder.check(apusk_mel_plan(&arguments, &plan))
    let base = arguments
    let output = try builder.output(node.output(0))
    try builder.emit(plan, [output]) { pointers in
      var arguments = base
      arguments.output = pointers[output]
      return arguments
    }
  }
}
