import ApusFormat
public import CApus

// The structures of include/apus.h that may grow: their first published size and their defaults. The init functions differ
// in name only.

extension apus_build_info: SizedStruct {
  static var firstSize: Int { 40 }
  static var defaults: apus_build_info { apus_build_info() }
}

extension apus_cpu_info: SizedStruct {
  static var firstSize: Int { 112 }
  static var defaults: apus_cpu_info { apus_cpu_info() }
}

extension apus_allocator: SizedStruct {
  static var firstSize: Int { 32 }
  static var defaults: apus_allocator { apus_allocator() }
}

extension apus_limits: SizedStruct {
  static var firstSize: Int { 64 }
  static var defaults: apus_limits {
    let limits = Limits()
    return apus_limits(
      struct_size: 0, file_bytes: limits.fileBytes, decompressed_bytes: limits.decompressedBytes,
      memory_bytes: limits.memoryBytes, operators: UInt64(clamping: limits.operators), rank: UInt64(clamping: limits.rank),
      elements: UInt64(clamping: limits.elements), iterations: UInt64(clamping: limits.iterations))
  }
}

extension apus_load_options: SizedStruct {
  static var firstSize: Int { 56 }
  static var defaults: apus_load_options { apus_load_options() }
}

extension apus_model_info: SizedStruct {
  static var firstSize: Int { 112 }
  static var defaults: apus_model_info { apus_model_info() }
}

extension apus_tensor_info: SizedStruct {
  static var firstSize: Int { 56 }
  static var defaults: apus_tensor_info { apus_tensor_info() }
}

extension apus_state_info: SizedStruct {
  static var firstSize: Int { 24 }
  static var defaults: apus_state_info { apus_state_info() }
}

extension apus_operator_info: SizedStruct {
  static var firstSize: Int { 32 }
  static var defaults: apus_operator_info { apus_operator_info() }
}

extension apus_memory_info: SizedStruct {
  static var firstSize: Int { 64 }
  static var defaults: apus_memory_info { apus_memory_info() }
}

extension apus_pool_options: SizedStruct {
  static var firstSize: Int { 24 }
  static var defaults: apus_pool_options { apus_pool_options() }
}

extension apus_parallel_for: SizedStruct {
  static var firstSize: Int { 32 }
  static var defaults: apus_parallel_for { apus_parallel_for() }
}

extension apus_session_options: SizedStruct {
  static var firstSize: Int { 40 }
  static var defaults: apus_session_options { apus_session_options() }
}

extension apus_session_info: SizedStruct {
  static var firstSize: Int { 40 }
  static var defaults: apus_session_info { apus_session_info() }
}

extension apus_run_options: SizedStruct {
  static var firstSize: Int { 16 }
  static var defaults: apus_run_options { apus_run_options() }
}

extension apus_profile_entry: SizedStruct {
  static var firstSize: Int { 40 }
  static var defaults: apus_profile_entry { apus_profile_entry() }
}

extension apus_self_test_info: SizedStruct {
  static var firstSize: Int { 32 }
  static var defaults: apus_self_test_info { apus_self_test_info() }
}

@c @implementation
public func apus_build_info_init(_ info: UnsafeMutablePointer<apus_build_info>?, _ size: Int) {
  apus_build_info.initialize(info, size: size)
}

@c @implementation
public func apus_cpu_info_init(_ info: UnsafeMutablePointer<apus_cpu_info>?, _ size: Int) {
  apus_cpu_info.initialize(info, size: size)
}

@c @implementation
public func apus_allocator_init(_ allocator: UnsafeMutablePointer<apus_allocator>?, _ size: Int) {
  apus_allocator.initialize(allocator, size: size)
}

@c @implementation
public func apus_limits_init(_ limits: UnsafeMutablePointer<apus_limits>?, _ size: Int) {
  apus_limits.initialize(limits, size: size)
}

@c @implementation
public func apus_load_options_init(_ options: UnsafeMutablePointer<apus_load_options>?, _ size: Int) {
  apus_load_options.initialize(options, size: size)
}

@c @implementation
public func apus_model_info_init(_ info: UnsafeMutablePointer<apus_model_info>?, _ size: Int) {
  apus_model_info.initialize(info, size: size)
}

@c @implementation
public func apus_tensor_info_init(_ info: UnsafeMutablePointer<apus_tensor_info>?, _ size: Int) {
  apus_tensor_info.initialize(info, size: size)
}

@c @implementation
public func apus_state_info_init(_ info: UnsafeMutablePointer<apus_state_info>?, _ size: Int) {
  apus_state_info.initialize(info, size: size)
}

@c @implementation
public func apus_operator_info_init(_ info: UnsafeMutablePointer<apus_operator_info>?, _ size: Int) {
  apus_operator_info.initialize(info, size: size)
}

@c @implementation
public func apus_memory_info_init(_ info: UnsafeMutablePointer<apus_memory_info>?, _ size: Int) {
  apus_memory_info.initialize(info, size: size)
}

@c @implementation
public func apus_pool_options_init(_ options: UnsafeMutablePointer<apus_pool_options>?, _ size: Int) {
  apus_pool_options.initialize(options, size: size)
}

@c @implementation
public func apus_parallel_for_init(_ host: UnsafeMutablePointer<apus_parallel_for>?, _ size: Int) {
  apus_parallel_for.initialize(host, size: size)
}

@c @implementation
public func apus_session_options_init(_ options: UnsafeMutablePointer<apus_session_options>?, _ size: Int) {
  apus_session_options.initialize(options, size: size)
}

@c @implementation
public func apus_session_info_init(_ info: UnsafeMutablePointer<apus_session_info>?, _ size: Int) {
  apus_session_info.initialize(info, size: size)
}

@c @implementation
public func apus_run_options_init(_ options: UnsafeMutablePointer<apus_run_options>?, _ size: Int) {
  apus_run_options.initialize(options, size: size)
}

@c @implementation
public func apus_profile_entry_init(_ entry: UnsafeMutablePointer<apus_profile_entry>?, _ size: Int) {
  apus_profile_entry.initialize(entry, size: size)
}

@c @implementation
public func apus_self_test_info_init(_ info: UnsafeMutablePointer<apus_self_test_info>?, _ size: Int) {
  apus_self_test_info.initialize(info, size: size)
}
