/// The positions `0 ..< count` in ascending order; those of equal elements keep theirs. Merge sort from the bottom up.
///
/// One function for elements of every type: the standard library's sort is compiled again for each, two kilobytes a time.
@inline(never)
package func sortedOrder(_ count: Int, by precedes: (Int, Int) -> Bool) -> [Int] {
  var order = Array(0..<max(count, 0))
  var merged = order
  var width = 1
  while width < count {
    for start in stride(from: 0, to: count, by: 2 * width) {
      let middle = min(start + width, count)
      let end = min(middle + width, count)
      var left = start
      var right = middle
      for place in start..<end {
        if left < middle && (right == end || !precedes(order[right], order[left])) {
          merged[place] = order[left]
          left += 1
        } else {
          merged[place] = order[right]
          right += 1
        }
      }
    }
    swap(&order, &merged)
    width *= 2
  }
  return order
}

extension Array {
  /// The elements in ascending order; equal ones keep theirs.
  package func inOrder(by precedes: (Element, Element) -> Bool) -> [Element] {
    sortedOrder(count) { precedes(self[$0], self[$1]) }.map { self[$0] }
  }
}

extension Array where Element: Comparable {
  /// The elements in ascending order; equal ones keep theirs.
  package func inOrder() -> [Element] { inOrder(by: <) }
}
