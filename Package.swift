// swift-tools-version: 6.3
import PackageDescription

// The core (ApusGraph, ApusFormat, ApusRuntime, ApusC) also builds as Embedded Swift into libapus: see tools/build-libapus.
// No target may use unsafeFlags: SwiftPM refuses version dependencies on packages that do.
let package = Package(
  name: "Apus",
  products: [
    .library(name: "Apus", targets: ["Apus"]),
    .library(name: "ApusTraining", targets: ["ApusTraining"]),
    .executable(name: "modelconv", targets: ["modelconv"]),
    // The C ABI as an ordinary Swift dynamic library: for the C tests. Applications link the libapus of `make libapus`.
    .library(name: "ApusC", type: .dynamic, targets: ["ApusC"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    .systemLibrary(name: "CApus", path: "include"),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng16", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),

    .target(name: "CApusPlatform", linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),
    .target(name: "CApusKernels", dependencies: ["CApusPlatform"], linkerSettings: [.linkedLibrary("m")]),
    .target(name: "ApusGraph"),
    .target(name: "ApusFormat", dependencies: ["ApusGraph", "CApusPlatform", "CZstd", "CXXHash"]),
    .target(name: "ApusRuntime", dependencies: ["ApusGraph", "ApusFormat", "CApusKernels", "CApusPlatform"]),
    .target(name: "ApusC", dependencies: ["ApusGraph", "ApusFormat", "ApusRuntime", "CApusPlatform", "CApus"]),
    .target(name: "Apus", dependencies: ["ApusGraph", "ApusFormat", "ApusRuntime"]),

    .target(name: "CApusSchemaWriter"),
    .target(
      name: "ApusFormatWriter",
      dependencies: [
        "ApusGraph", "ApusFormat", "CApusSchemaWriter", "CZstd", "CXXHash",
        .product(name: "Crypto", package: "swift-crypto"),
      ]),
    .target(name: "ApusSafetensors", dependencies: ["ApusGraph"]),
    // Files of data that training and conversion read.
    .target(name: "ApusData", dependencies: ["ApusGraph", "CApusPlatform", "CZlib"]),
    .target(
      name: "ApusTraining",
      dependencies: ["ApusData", "ApusGraph", "ApusRuntime", "ApusSafetensors", "CApusKernels", "CApusPlatform", "COpenBLAS"],
      exclude: ["Export/GRAPH_JSON.md"]),
    .target(
      name: "ApusConvert",
      dependencies: [
        "Apus", "ApusData", "ApusFormat", "ApusFormatWriter", "ApusGraph", "ApusRuntime", "ApusSafetensors", "CPNG",
        "CTurboJPEG", "CZlib",
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    .executableTarget(
      name: "modelconv",
      dependencies: [
        "ApusConvert", "Apus", "ApusSafetensors", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], exclude: ["JSON.md"]),

    // Writes the models of the C tests: see tools/c-tests.
    .executableTarget(name: "apus-test-models", dependencies: ["ApusGraph", "ApusFormatWriter"], path: "Tests/Models"),
    .testTarget(name: "CApusPlatformTests", dependencies: ["CApusPlatform"]),
    .testTarget(name: "CApusKernelsTests", dependencies: ["CApusKernels", "CApusPlatform"]),
    .testTarget(name: "ApusGraphTests", dependencies: ["ApusGraph"]),
    .testTarget(
      name: "ApusFormatTests",
      dependencies: ["ApusGraph", "ApusFormat", "ApusFormatWriter", "CApusPlatform", "CApusSchemaWriter"]),
    .testTarget(
      name: "ApusRuntimeTests",
      dependencies: ["ApusGraph", "ApusFormat", "ApusRuntime", "ApusFormatWriter", "CApusPlatform"]),
    .testTarget(name: "ApusCTests", dependencies: ["ApusC", "ApusGraph", "ApusFormatWriter", "CApus"]),
    .testTarget(name: "ApusTests", dependencies: ["Apus", "ApusFormatWriter"]),
    .testTarget(name: "ApusSafetensorsTests", dependencies: ["ApusGraph", "ApusSafetensors"]),
    .testTarget(name: "ApusDataTests", dependencies: ["ApusData", "ApusGraph"]),
    .testTarget(
      name: "ApusTrainingTests",
      dependencies: ["ApusTraining", "ApusGraph", "ApusFormat", "ApusRuntime", "ApusSafetensors"]),
    .testTarget(
      name: "ApusConvertTests",
      dependencies: [
        "ApusConvert", "ApusTraining", "Apus", "ApusGraph", "ApusFormat", "ApusFormatWriter", "ApusSafetensors",
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    .testTarget(name: "modelconvTests", dependencies: ["modelconv", "ApusConvert", "ApusGraph", "ApusSafetensors"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17,
  cxxLanguageStandard: .cxx17
)
