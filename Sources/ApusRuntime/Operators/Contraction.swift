import ApusGraph
import CApusKernels

/// Element types of the kernel for strided sums of products.
let contractionTypes = TypeSet(.float32, .float64, .int32, .uint32, .int64, .uint64)

extension PlanBuilder {
  /// Strided sums of products into `output`, whose axes and sums have been added to `arguments`.
  func emitContraction(
    _ arguments: apusk_contract_args, _ type: ElementType, a: BufferID, b: BufferID?, c: BufferID? = nil, output: BufferID
  ) throws(ApusError) {
    var arguments = arguments
    arguments.element_type = type.rawValue
    var plan = apusk_plan()
    try check(apusk_contract_plan(&arguments, &plan))
    let base = arguments
    try emit(plan, [a, b, c, output]) { pointers in
      var arguments = base
      arguments.a = UnsafeRawPointer(pointers[a])
      arguments.b = UnsafeRawPointer(pointers.bytes(b))
      arguments.c = UnsafeRawPointer(pointers.bytes(c))
      arguments.output = pointers[output]
      return arguments
    }
  }
}

extension PointerTable {
  /// nil for an operand that is left out.
  func bytes(_ id: BufferID?) -> UnsafeMutableRawPointer? {
    guard let id else { return nil }
    return self[id]
  }
}

extension apusk_contract_args {
  /// No axes yet, and a plain sum.
  static var plain: apusk_contract_args {
    var arguments = apusk_contract_args()
    arguments.alpha = 1
    arguments.beta = 1
    return arguments
  }
}
