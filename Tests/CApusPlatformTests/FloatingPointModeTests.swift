#if arch(x86_64)
  import CApusPlatform
  import Testing

  /// MXCSR values: apusp_fp_leave sets one, apusp_fp_enter reads it.
  @Suite struct FloatingPointModeTests {
    static let kernelMode: UInt64 = 0x1f80

    /// Callers' modes: flush to zero with denormals-are-zero, and the three other roundings.
    static let callers: [UInt64] = [0x9fc0, 0x3f80, 0x5f80, 0x7f80, 0xffc0, 0x1f80]

    @Test(arguments: callers)
    func enterSetsTheKernelsModeAndLeaveRestoresTheCallers(mode: UInt64) {
      apusp_fp_leave(mode)
      let saved = apusp_fp_enter()
      let inside = apusp_fp_enter()
      apusp_fp_leave(saved)
      let after = apusp_fp_enter()
      #expect(saved == mode)
      #expect(inside == Self.kernelMode)
      #expect(after == mode)
    }

    /// What a kernel sees: its mode, and results that a wrong one would change.
    struct Seen {
      /// One entry a worker; 0 where it did nothing.
      let modes: UnsafeMutablePointer<UInt64>
      let results: UnsafeMutablePointer<(Float, Float)>
    }

    static let observe: apusp_kernel = { args, begin, _, worker in
      let seen = args!.assumingMemoryBound(to: Seen.self).pointee
      let mode = apusp_fp_enter()  // the mode is the kernels' already, so this only reads it
      seen.modes[Int(worker!.pointee.index)] = mode & 0xffc0
      if begin == 0 { seen.results.pointee = denormalAndThird() }
      return 0
    }

    @inline(never) static func denormalAndThird() -> (Float, Float) {
      var smallest = Float.leastNormalMagnitude
      var one: Float = 1
      withUnsafeMutablePointer(to: &smallest) { smallest in
        withUnsafeMutablePointer(to: &one) { one in
          opaque(smallest)
          opaque(one)
        }
      }
      return (smallest / 2, one / 3)
    }

    @inline(never) @_optimize(none) static func opaque(_ pointer: UnsafeMutablePointer<Float>) {}

    @Test(arguments: callers, [1, 2, 4])
    func kernelsRunInTheirModeAndTheCallerGetsItsOwnBack(mode: UInt64, threads: Int) throws {
      let expected = Self.denormalAndThird()
      #expect(expected.0 == 0x1p-127)
      let pool = try TestPool(threads: threads)
      var seen = Seen(modes: .allocate(capacity: threads), results: .allocate(capacity: 1))
      seen.modes.initialize(repeating: 0, count: threads)
      seen.results.initialize(to: (0, 0))
      defer {
        seen.modes.deallocate()
        seen.results.deallocate()
      }
      let workers = UnsafeMutablePointer<apusp_worker>.allocate(capacity: threads)
      defer { workers.deallocate() }
      for i in 0..<threads {
        workers[i] = apusp_worker()
        workers[i].index = Int32(i)
      }
      var execution = apusp_execution()
      execution.count = 1
      execution.workers = workers
      execution.worker_count = Int32(threads)
      execution.pool = pool.pointer
      var outcome = apusp_outcome()
      withUnsafePointer(to: &seen) { seen in
        var step = apusp_step(kernel: Self.observe, args: UnsafeRawPointer(seen), units: 64, grain: 1, node: 0, phases: 1)
        withUnsafePointer(to: &step) { step in
          execution.steps = step
          apusp_fp_leave(mode)
          apusp_execute(&execution, &outcome)
        }
      }
      let after = apusp_fp_enter()
      #expect(outcome.status == 0)
      #expect(after == mode)
      let modes = (0..<threads).map { seen.modes[$0] }
      #expect(modes.allSatisfy { $0 == 0 || $0 == Self.kernelMode })
      #expect(modes.contains(Self.kernelMode))
      #expect(seen.results.pointee == expected)
    }
  }
#endif
