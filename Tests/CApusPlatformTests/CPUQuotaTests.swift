import CApusPlatform
import Testing

/// The quota from control groups, on faked files.
@Suite struct CPUQuotaTests {
  static let v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
  static let v1Mounts = """
    31 30 0:27 / /sys/fs/cgroup/cpuset rw shared:5 - cgroup cgroup rw,cpuset
    32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:6 - cgroup cgroup rw,cpu,cpuacct

    """

  func quota(_ files: [String: String]) throws -> Int32 {
    let fake = try FakeFiles(files)
    return apusp_cpu_quota(fake.root)
  }

  @Test(
    arguments: [
      ("max 100000", 0), ("100000 100000", 1), ("150000 100000", 2), ("200000 100000", 2), ("200001 100000", 3),
      ("1000 100000", 1), ("-5 100000", 0), ("100000 0", 0), ("nonsense", 0), ("", 0),
      ("9223372036854775807 1", 2_147_483_647),
    ] as [(String, Int32)])
  func unifiedQuotasAreRoundedUp(text: String, expected: Int32) throws {
    let got = try quota([
      "/proc/self/cgroup": "0::/job\n", "/proc/self/mountinfo": Self.v2Mount,
      "/sys/fs/cgroup/job/cpu.max": text + "\n",
    ])
    #expect(got == expected)
  }

  @Test func theStrictestGroupAboveCounts() throws {
    let files = [
      "/proc/self/cgroup": "0::/a/b/c\n", "/proc/self/mountinfo": Self.v2Mount,
      "/sys/fs/cgroup/a/cpu.max": "300000 100000\n", "/sys/fs/cgroup/a/b/cpu.max": "200000 100000\n",
      "/sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
    ]
    #expect(try quota(files) == 2)
    #expect(try quota(files.filter { !$0.key.contains("/a/b/cpu.max") }) == 3)
  }

  @Test func theMountItselfIsLookedAt() throws {
    // In a container with its own group namespace the group is "/" and the limit is at the mount point.
    let got = try quota([
      "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.v2Mount, "/sys/fs/cgroup/cpu.max": "50000 100000\n",
    ])
    #expect(got == 1)
  }

  @Test func legacyQuotas() throws {
    var files = [
      "/proc/self/cgroup": "5:cpuset:/\n4:cpuacct,cpu:/docker/1\n1:name=systemd:/x\n",
      "/proc/self/mountinfo": Self.v1Mounts,
      "/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "250000\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try quota(files) == 3)
    files["/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us"] = "-1\n"
    #expect(try quota(files) == 0)
    files["/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us"] = "400000\n"
    files["/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us"] = "100000\n"
    #expect(try quota(files) == 4)
  }

  @Test func aMountOfOneGroupShowsItAtTheTop() throws {
    // Without a group namespace: the group's path is the host's, and the mount shows only that group.
    let got = try quota([
      "/proc/self/cgroup": "4:cpu,cpuacct:/docker/1/inner\n",
      "/proc/self/mountinfo": "32 30 0:28 /docker/1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
    ])
    #expect(got == 2)
  }

  @Test func aGroupThatTheMountDoesNotShowFallsBackToTheMount() throws {
    for group in ["/../../elsewhere", "/docker/12", "/other"] {
      let got = try quota([
        "/proc/self/cgroup": "0::\(group)\n",
        "/proc/self/mountinfo": "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 none rw\n",
        "/sys/fs/cgroup/cpu.max": "100000 100000\n", "/sys/fs/cgroup/2/cpu.max": "700000 100000\n",
      ])
      #expect(got == 1, "\(group)")
    }
  }

  @Test func ofBothHierarchiesTheStricterCounts() throws {
    for (unified, legacy, expected) in [(2, 3, 2), (5, 3, 3)] as [(Int, Int, Int32)] {
      let got = try quota([
        "/proc/self/cgroup": "4:cpu:/g\n0::/g\n",
        "/proc/self/mountinfo": "1 2 0:1 / /u rw - cgroup2 none rw\n3 2 0:2 / /c rw - cgroup none rw,cpu\n",
        "/u/g/cpu.max": "\(unified)00000 100000\n", "/c/g/cpu.cfs_quota_us": "\(legacy)00000\n",
        "/c/g/cpu.cfs_period_us": "100000\n",
      ])
      #expect(got == expected)
    }
  }

  @Test func missingAndBrokenFilesMeanNoQuota() throws {
    #expect(try quota([:]) == 0)
    #expect(try quota(["/proc/self/cgroup": "0::/\n"]) == 0)
    #expect(try quota(["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": "x - cgroup2\n - \n\n30 - cgroup2 a b\n"]) == 0)
    #expect(try quota(["/proc/self/cgroup": ":\n::\n4\n\n", "/proc/self/mountinfo": Self.v2Mount]) == 0)
    let long = String(repeating: "d", count: 9000)
    #expect(try quota(["/proc/self/cgroup": "0::/\(long)\n", "/proc/self/mountinfo": Self.v2Mount]) == 0)
  }

  @Test func thisSystemsFilesCanBeRead() {
    #expect(apusp_cpu_quota("") >= 0)
  }
}
