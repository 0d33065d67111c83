// swift-tools-version: 6.3
import PackageDescription

// A package of its own, as yours would be. Instead of the path, write
// .package(url: "<where Apus lives>", from: "<version>").
let package = Package(
  name: "ApusExamples",
  dependencies: [.package(name: "Apus", path: "../..")],
  targets: [
    .executableTarget(name: "train-lenet", dependencies: [.product(name: "ApusTraining", package: "Apus")]),
    .executableTarget(name: "train-resnet", dependencies: [.product(name: "ApusTraining", package: "Apus")]),
    .executableTarget(name: "export-model", dependencies: [.product(name: "ApusTraining", package: "Apus")]),
    .executableTarget(name: "classify", dependencies: [.product(name: "Apus", package: "Apus")]),
  ],
  swiftLanguageModes: [.v6]
)
