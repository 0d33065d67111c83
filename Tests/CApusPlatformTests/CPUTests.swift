import CApusPlatform
import Foundation
import Testing

@Suite struct CPUTests {
  func select(_ name: String?) -> (status: Int32, cpu: apusp_cpu, message: String) {
    var cpu = apusp_cpu()
    var message = [CChar](repeating: 1, count: 200)
    let status = apusp_cpu_select(name, &cpu, &message, message.count)
    return (status, cpu, String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  var best: apusp_cpu {
    var cpu = apusp_cpu()
    apusp_cpu_detect(&cpu)
    return cpu
  }

  @Test func detectionAgreesWithTheKernelsFlags() throws {
    let info = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let line = try #require(info.split(separator: "\n").first { $0.hasPrefix("flags") })
    let flags = Set(line.split(separator: " "))
    let avx2 = flags.isSuperset(of: ["avx2", "fma", "f16c"])
    let avx512 = avx2 && flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"])
    #expect(best.level == Int32(avx512 ? APUSP_LEVEL_AVX512 : avx2 ? APUSP_LEVEL_AVX2 : APUSP_LEVEL_PORTABLE))
    func has(_ feature: UInt32) -> Bool { best.features & feature != 0 }
    #expect(has(UInt32(APUSP_FEATURE_AVX512_VNNI)) == (avx512 && flags.contains("avx512_vnni")))
    #expect(has(UInt32(APUSP_FEATURE_AVX512_BF16)) == (avx512 && flags.contains("avx512_bf16")))
    #expect(has(UInt32(APUSP_FEATURE_AVX512_FP16)) == (avx512 && flags.contains("avx512_fp16")))
    #expect(has(UInt32(APUSP_FEATURE_AVX_VNNI)) == (avx2 && flags.contains("avx_vnni")))
  }

  @Test func brandAndCachesAreSet() throws {
    var cpu = best
    let brand = withUnsafeBytes(of: &cpu.brand) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let info = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    #expect(!brand.isEmpty && info.contains(brand))
    #expect(cpu.l1_bytes >= 8 << 10 && cpu.l1_bytes <= 1 << 20)
    #expect(cpu.l2_bytes >= cpu.l1_bytes)
  }

  @Test func everyLevelUpToTheBestCanBeChosen() {
    for name in ["portable", "avx2", "avx512"] {
      let (status, cpu, message) = select(name)
      let level = Int32(["portable", "avx2", "avx512"].firstIndex(of: name)!)
      if level <= best.level {
        #expect(status == 0 && cpu.level == level && message.isEmpty)
        if level == 0 { #expect(cpu.features == 0) }
        if level < 2 { #expect(cpu.features & ~UInt32(APUSP_FEATURE_AVX_VNNI) == 0) }
      } else {
        #expect(status == Int32(APUSP_UNSUPPORTED))
        #expect(message.contains(name) && message.contains("best level"))
      }
      #expect(String(cString: apusp_cpu_level_name(level)) == name)
    }
    #expect(String(cString: apusp_cpu_level_name(3)) == "unknown")
    #expect(String(cString: apusp_cpu_level_name(-1)) == "unknown")
  }

  @Test func noNameMeansTheBest() {
    for name in [nil, ""] as [String?] {
      let (status, cpu, _) = select(name)
      #expect(status == 0 && cpu.level == best.level && cpu.features == best.features)
    }
  }

  @Test(arguments: ["AVX2", "avx", "sse", "avx512 ", String(repeating: "x", count: 500)])
  func anUnknownNameIsAStatusWithWords(name: String) {
    let (status, cpu, message) = select(name)
    #expect(status == Int32(APUSP_UNKNOWN_NAME))
    #expect(cpu.level == best.level)
    #expect(message.contains("'" + name.prefix(32) + "'") && message.contains("portable, avx2, avx512"))
    var short = [CChar](repeating: 1, count: 10)
    var other = apusp_cpu()
    #expect(apusp_cpu_select(name, &other, &short, short.count) == status)
    #expect(apusp_cpu_select(name, &other, nil, 0) == status)
    #expect(short[9] == 0)
  }

  @Test func usableCPUsAreWithinTheAffinityMask() {
    let count = apusp_cpu_usable_count()
    #expect(count >= 1 && Int(count) <= ProcessInfo.processInfo.activeProcessorCount)
  }
}
