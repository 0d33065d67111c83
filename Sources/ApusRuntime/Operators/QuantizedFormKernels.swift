import ApusGraph
import CApusKernels

extension KernelBinding {
  /// A domain that no file can name: what is in it exists between the compiler and the plan alone.
  static let quantizedDomain: Name = "quantized"

  /// The kernels of nodes with a `QuantizedForm`. A build that has QuantizeLinear has them.
  static let quantizedForms = KernelBinding(
    "QuantizeLinear", domain: quantizedDomain, native: .all
  ) { builder, node throws(ApusError) in
    switch node.node.quantized {
    case .tables(let tables) where tables.count == 1: try builder.emitTable(node, tables[0] ?? [])
    case .tables(let tables): try builder.emitConcatenation(node, tables)
    case .addition(let sum):
      try builder.emitQuantizedBinary(node) {
        ($0.a_factor, $0.b_factor, $0.a_zero, $0.b_zero) = (sum.factorA, sum.factorB, sum.zeroA, sum.zeroB)
        $0.result = apusk_quantized_result(zero: sum.zero, low: sum.low, high: sum.high, reserved: 0)
      }
    case .product(let product):
      try builder.emitQuantizedBinary(node) {
        ($0.a_factor, $0.a_zero, $0.b_zero, $0.is_product) = (product.factor, product.zeroA, product.zeroB, 1)
        $0.result = apusk_quantized_result(zero: product.zero, low: product.low, high: product.high, reserved: 0)
      }
    case .average(let average):
      if node.node.node.operatorName.is("AveragePool") {
        try builder.emitQuantizedPool(node, try planarPool(builder, node), average)
      } else {
        try builder.emitQuantizedPool(node, try builder.globalWindow(node), average)
      }
    case nil: throw ApusError(.internal, "a node has no form on integers")
    }
  }
}

extension apusk_byte_table_args: MapArguments {}

extension apusk_byte_table_args {
  fileprivate init(_ bytes: [UInt8]) {
    self.init()
    withUnsafeMutableBytes(of: &table) { $0.copyBytes(from: bytes) }
  }
}

extension PlanBuilder {
  /// Maps each byte, in the layout in which the operand lies.
  fileprivate func emitTable(_ node: BoundNode, _ bytes: [UInt8]) throws(ApusError) {
    let layout = try presentLayout(node.input(0))
    var arguments = apusk_byte_table_args(bytes)
    apusk_byte_table_set_dense(&arguments, Int64(try byteCount(node.input(0))))
    var plan = apusk_plan()
    try check(apusk_byte_table_plan(level, &arguments, &plan))
    let source = try input(node.input(0), layout)
    try emit(plan, arguments, from: source, to: try output(node.output(0), layout, over: node.input(0)))
  }

  /// Operands of other scales than the result's are mapped on the way.
  fileprivate func emitConcatenation(_ node: BoundNode, _ tables: [[UInt8]?]) throws(ApusError) {
    let places = try ConcatenationRows(self, node)
    let sources = try node.node.node.inputs.map { id throws(ApusError) in try input(id, places.layout) }
    let target = try output(node.output(0), places.layout)
    var offset = 0
    for (index, source) in sources.enumerated() {
      let block = try places.blockBytes(self, node.input(index))
      if let bytes = tables[index] {
        var arguments = apusk_byte_table_args(bytes)
        arguments.rows = Int64(places.rows)
        arguments.block = Int64(block)
        arguments.bytes = Int64(places.rows * block)
        arguments.input_row_bytes = Int64(block)
        arguments.output_row_bytes = Int64(places.rowBytes)
        var plan = apusk_plan()
        try check(apusk_byte_table_plan(level, &arguments, &plan))
        let (base, start) = (arguments, offset)
        try emit(plan, [source, target]) { pointers in
          var arguments = base
          arguments.input = UnsafeRawPointer(pointers[source])
          arguments.output = pointers[target].map { $0 + start }
          return arguments
        }
      } else {
        try emitBlocks(source, target, rows: places.rows, blockBytes: block, rowBytes: places.rowBytes, offset: offset)
      }
      offset += block
    }
  }

  fileprivate func emitQuantizedBinary(
    _ node: BoundNode, _ parameters: (inout apusk_quantized_binary_args) -> Void
  ) throws(ApusError) {
    let shapes = try BinaryShapes(self, node.input(0), node.input(1))
    var arguments = apusk_quantized_binary_args()
    try check(
      apusk_binary_set_shapes(
        &arguments.shape, Int32(shapes.a.count), shapes.a.map { Int64($0) }, Int32(shapes.b.count), shapes.b.map { Int64($0) }))
    arguments.a_is_signed = try elementType(node.input(0)) == .int8 ? 1 : 0
    arguments.b_is_signed = try elementType(node.input(1)) == .int8 ? 1 : 0
    parameters(&arguments)
    var plan = apusk_plan()
    try check(apusk_quantized_binary_plan(level, &arguments, &plan))
    let (a, b) = (try input(node.input(0), shapes.layoutA), try input(node.input(1), shapes.layoutB))
    var target = try output(node.output(0), shapes.layout, over: node.input(0), in: shapes.layoutA)
    if target == nil { target = try output(node.output(0), shapes.layout, over: node.input(1), in: shapes.layoutB) }
    let output: BufferID
    if let target { output = target } else { output = try self.output(node.output(0), shapes.layout) }
    let base = arguments
    try emit(plan, [a, b, output]) { pointers in
      var arguments = base
      arguments.shape.a = UnsafeRawPointer(pointers[a])
      arguments.shape.b = UnsafeRawPointer(pointers[b])
      arguments.shape.output = pointers[output]
      return arguments
    }
  }

  /// One window over all that is spatial.
  fileprivate func globalWindow(_ node: BoundNode) throws(ApusError) -> apusk_pool_args {
    let x = try extents(node.input(0))
    var window = apusk_pool_args()
    (window.batch, window.channels) = (Int64(x[0]), Int64(x[1]))
    (window.input_height, window.input_width) = (x.count == 4 ? Int64(x[2]) : 1, Int64(x[x.count - 1]))
    (window.kernel_height, window.kernel_width) = (window.input_height, window.input_width)
    (window.output_height, window.output_width, window.stride_height, window.stride_width) = (1, 1, 1, 1)
    (window.dilation_height, window.dilation_width) = (1, 1)
    return window
  }

  /// Pooling of channels-last images of bytes.
  /// - Parameter average: nil for the maximum.
  func emitQuantizedPool(_ node: BoundNode, _ window: apusk_pool_args, _ average: QuantizedAverage?) throws(ApusError) {
    var arguments = apusk_quantized_pool_args()
    arguments.window = window
    arguments.window.input_pixel_stride = window.channels
    arguments.window.output_pixel_stride = window.channels
    arguments.function = average == nil ? APUSK_POOL_MAX : APUSK_POOL_AVERAGE
    arguments.is_signed = try elementType(node.input(0)) == .int8 ? 1 : 0
    if let average {
      (arguments.x_zero, arguments.x_scale, arguments.scale) = (average.zeroX, average.scaleX, average.scale)
      arguments.result = apusk_quantized_result(zero: average.zero, low: average.low, high: average.high, reserved: 0)
    }
    var plan = apusk_plan()
    try check(apusk_quantized_pool_plan(level, &arguments, &plan))
    let source = try input(node.input(0), .channelsLast)
    try emit(plan, arguments, from: source, to: try output(node.output(0), .channelsLast))
  }
}

extension apusk_quantized_pool_args: MapArguments {}
