import ApusFormat
import ApusGraph
import ApusRuntime
public import CApus
import CApusPlatform

@c @implementation
public func apus_version() -> UInt32 { UInt32(APUS_VERSION) }

@c @implementation
public func apus_version_string() -> UnsafePointer<CChar>? { constantText("0.1.0") }

@c @implementation
public func apus_build(_ info: UnsafeMutablePointer<apus_build_info>?, _ error: UnsafeMutablePointer<apus_error>?) -> Int32 {
  call(error) { () throws(ApusError) in
    var value = apus_build_info()
    #if compiler(>=6.4)
      value.compiler = constantText("Swift 6.4 or later")
    #else
      value.compiler = constantText("Swift 6.3")
    #endif
    value.operator_pack = constantText(LoadOptions.library.registry.pack.name)
    #if hasFeature(Embedded)
      value.is_embedded = 1
    #endif
    value.file_major = UInt32(FileHeader.major)
    value.file_minor = UInt32(FileHeader.minor)
    value.operator_count = UInt32(clamping: LoadOptions.library.registry.schemas.reduce(0) { $0 + $1.versions.count })
    try apus_build_info.write(value, to: try require(info, "info"), "apus_build_info")
  }
}

@c @implementation
public func apus_cpu(_ info: UnsafeMutablePointer<apus_cpu_info>?, _ error: UnsafeMutablePointer<apus_error>?) -> Int32 {
  call(error) { () throws(ApusError) in
    let info = try require(info, "info")
    var detected = apusp_cpu()
    apusp_cpu_detect(&detected)
    let used = try selectedCPU(nil)
    var value = apus_cpu_info()
    value.brand = used.brand
    value.detected_level = detected.level
    value.level = used.level
    value.features = used.features
    value.threads = UInt32(clamping: apusp_cpu_usable_count())
    value.l1_bytes = used.l1_bytes
    value.l2_bytes = used.l2_bytes
    value.l3_bytes = used.l3_bytes
    try apus_cpu_info.write(value, to: info, "apus_cpu_info")
  }
}

/// The CPU at the level that `name` asks for; nil asks the environment variable `APUS_CPU`.
/// - Throws: `unknown_name`; `unsupported` where the CPU lacks the level.
func selectedCPU(_ name: UnsafePointer<CChar>?) throws(ApusError) -> apusp_cpu {
  var cpu = apusp_cpu()
  // Wide enough for the sentences of the platform layer; longer ones are cut there.
  var message = [CChar](repeating: 0, count: 256)
  let status =
    name == nil
    ? apusp_cpu_select_from_environment(&cpu, &message, message.count) : apusp_cpu_select(name, &cpu, &message, message.count)
  guard status == 0 else {
    throw ApusError(
      ApusError.Status(rawValue: status) ?? .internal,
      String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
  return cpu
}

@c @implementation
public func apus_cpu_level_name(_ level: Int32) -> UnsafePointer<CChar>? { apusp_cpu_level_name(level) }
