// apus.hpp: the C interface of Apus (apus.h) as C++17 classes that own their handles. Header-only.
//
//     apus::Model model = apus::Model::load("model.apus");
//     apus::Session session = apus::Session::create(model);
//     session.prepare({{1, 1, 28, 28}});
//     session.bind_input(0, apus::Span<const float>(pixels));
//     session.run();
//     for (float logit : session.output<float>(0)) ...
//
// Contracts, thread rules and statuses are those of the functions in apus.h; only what differs is said here. The classes can
// be moved, not copied; Model and Pool have share() for a second owner.
//
// Failures throw apus::Error. Where exceptions are off (-fno-exceptions, or APUS_NO_EXCEPTIONS defined before this header),
// functions that can fail return apus::Result<T> in place of T; apus::Expected<T> is the one or the other.
#ifndef APUS_HPP
#define APUS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "apus.h"

#if !defined(APUS_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define APUS_NO_EXCEPTIONS 1
#endif
#ifndef APUS_NO_EXCEPTIONS
#include <exception>
#endif

namespace apus {

// What went wrong.
class Error
#ifndef APUS_NO_EXCEPTIONS
    : public std::exception
#endif
{
 public:
  explicit Error(const apus_error &details) noexcept : details_(details) { apus_error_format(&details_, line_, sizeof line_); }

  // A failure that this header finds itself.
  Error(int32_t status, std::string_view message) noexcept : details_() {
    details_.status = status;
    details_.file_offset = APUS_NO_OFFSET;
    const std::size_t count = message.copy(details_.message, sizeof details_.message - 1);
    details_.message[count] = '\0';
    apus_error_format(&details_, line_, sizeof line_);
  }

  int32_t status() const noexcept { return details_.status; }
  std::string_view status_name() const noexcept { return apus_status_name(details_.status); }
  const apus_error &details() const noexcept { return details_; }

  // All that is known, on one line.
#ifndef APUS_NO_EXCEPTIONS
  const char *what() const noexcept override { return line_; }
#else
  const char *what() const noexcept { return line_; }
#endif

 private:
  apus_error details_;
  char line_[1024];
};

// A value or an error. Ask before taking the value.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(const Error &error) : error_(error) {}

  explicit operator bool() const noexcept { return value_.has_value(); }
  T &operator*() & noexcept { return *value_; }
  const T &operator*() const & noexcept { return *value_; }
  T &&operator*() && noexcept { return std::move(*value_); }
  T *operator->() noexcept { return &*value_; }
  const Error &error() const noexcept { return *error_; }

 private:
  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(const Error &error) : error_(error) {}

  explicit operator bool() const noexcept { return !error_.has_value(); }
  const Error &error() const noexcept { return *error_; }

 private:
  std::optional<Error> error_;
};

#ifndef APUS_NO_EXCEPTIONS
template <typename T>
using Expected = T;
#else
template <typename T>
using Expected = Result<T>;
#endif

namespace detail {

template <typename T>
Expected<T> fail(const Error &error) {
#ifndef APUS_NO_EXCEPTIONS
  throw error;
#else
  return Result<T>(error);
#endif
}

// Makes a call of the C interface, which gets the error block, then the value.
template <typename T, typename Call, typename Value>
Expected<T> call(Call &&function, Value &&value) {
  apus_error error;
  if (function(&error) != APUS_OK) return fail<T>(Error(error));
  return Expected<T>(value());
}

template <typename Call>
Expected<void> call(Call &&function) {
  apus_error error;
  if (function(&error) != APUS_OK) return fail<void>(Error(error));
  return Expected<void>();
}

}  // namespace detail

// A view of `size` elements, as std::span is in C++20.
template <typename T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}
  // Of anything contiguous: std::vector, std::array, std::string and so on.
  template <typename Container, typename = std::enable_if_t<std::is_convertible_v<
                                    decltype(std::declval<Container &>().data()), T *>>>
  constexpr Span(Container &container) noexcept : data_(container.data()), size_(container.size()) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

// The APUS_TYPE_* of a C++ type. Others (float16, packed types) go through the functions with bytes.
template <typename T>
inline constexpr int32_t element_type = 0;
template <>
inline constexpr int32_t element_type<float> = APUS_TYPE_FLOAT32;
template <>
inline constexpr int32_t element_type<double> = APUS_TYPE_FLOAT64;
template <>
inline constexpr int32_t element_type<int8_t> = APUS_TYPE_INT8;
template <>
inline constexpr int32_t element_type<uint8_t> = APUS_TYPE_UINT8;
template <>
inline constexpr int32_t element_type<int16_t> = APUS_TYPE_INT16;
template <>
inline constexpr int32_t element_type<uint16_t> = APUS_TYPE_UINT16;
template <>
inline constexpr int32_t element_type<int32_t> = APUS_TYPE_INT32;
template <>
inline constexpr int32_t element_type<uint32_t> = APUS_TYPE_UINT32;
template <>
inline constexpr int32_t element_type<int64_t> = APUS_TYPE_INT64;
template <>
inline constexpr int32_t element_type<uint64_t> = APUS_TYPE_UINT64;
template <>
inline constexpr int32_t element_type<bool> = APUS_TYPE_BOOL;

// The options of apus.h with their defaults set.
struct Allocator : apus_allocator {
  Allocator() noexcept { apus_allocator_init(this, sizeof(apus_allocator)); }
};
struct Limits : apus_limits {
  Limits() noexcept { apus_limits_init(this, sizeof(apus_limits)); }
};
struct LoadOptions : apus_load_options {
  LoadOptions() noexcept { apus_load_options_init(this, sizeof(apus_load_options)); }
};
struct PoolOptions : apus_pool_options {
  PoolOptions() noexcept { apus_pool_options_init(this, sizeof(apus_pool_options)); }
};
struct ParallelFor : apus_parallel_for {
  ParallelFor() noexcept { apus_parallel_for_init(this, sizeof(apus_parallel_for)); }
};
struct SessionOptions : apus_session_options {
  SessionOptions() noexcept { apus_session_options_init(this, sizeof(apus_session_options)); }
};

// The version of the library that is running.
inline std::string_view version() noexcept { return apus_version_string(); }

inline Expected<apus_cpu_info> cpu() {
  apus_cpu_info info;
  apus_cpu_info_init(&info, sizeof info);
  return detail::call<apus_cpu_info>([&](apus_error *error) { return apus_cpu(&info, error); }, [&] { return info; });
}

// Threads that sessions share.
class Pool {
 public:
  // `threads` 0: as many as this process may use.
  static Expected<Pool> create(uint32_t threads = 0) {
    PoolOptions options;
    options.threads = threads;
    return create(options);
  }

  static Expected<Pool> create(const PoolOptions &options) {
    apus_pool *handle = nullptr;
    return detail::call<Pool>([&](apus_error *error) { return apus_pool_create(&options, &handle, error); },
                              [&] { return Pool(handle); });
  }

  // The host's own threads.
  static Expected<Pool> create(const ParallelFor &host, const apus_allocator *allocator = nullptr) {
    apus_pool *handle = nullptr;
    return detail::call<Pool>([&](apus_error *error) { return apus_pool_create_host(&host, allocator, &handle, error); },
                              [&] { return Pool(handle); });
  }

  Pool(Pool &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Pool &operator=(Pool &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Pool() { apus_pool_release(handle_); }

  Pool share() const noexcept {
    apus_pool_retain(handle_);
    return Pool(handle_);
  }
  uint32_t threads() const noexcept { return apus_pool_threads(handle_); }
  apus_pool *handle() const noexcept { return handle_; }

 private:
  explicit Pool(apus_pool *handle) noexcept : handle_(handle) {}
  apus_pool *handle_;
};

// What integers of an input or output stand for: (q - zero_point) * scale.
struct Quantization {
  float scale;
  int32_t zero_point;
};

// An input or output. Lives as long as its model.
struct TensorInfo {
  std::string_view name;
  int32_t element_type;
  std::optional<Span<const apus_dimension>> dimensions;  // none: the rank is not known
  std::optional<uint32_t> state;                         // the state that it belongs to
  std::optional<Quantization> quantization;              // of a model that was loaded with quantized_ports
};

// A verified model; safe on any number of threads.
class Model {
 public:
  static Expected<Model> load(const std::string &path, const LoadOptions &options = LoadOptions()) {
    return made([&](apus_model **model, apus_error *error) {
      return apus_model_load_path(path.c_str(), &options, model, error);
    });
  }

  static Expected<Model> load_mapped(const std::string &path, const LoadOptions &options = LoadOptions()) {
    return made([&](apus_model **model, apus_error *error) {
      return apus_model_load_mapped(path.c_str(), &options, model, error);
    });
  }

  static Expected<Model> load_copy(Span<const std::byte> bytes, const LoadOptions &options = LoadOptions()) {
    return made([&](apus_model **model, apus_error *error) {
      return apus_model_load_copy(bytes.data(), bytes.size(), &options, model, error);
    });
  }

  // `release` (may be NULL) is called exactly once.
  static Expected<Model> load_borrowed(Span<const std::byte> bytes, apus_release_fn release, void *user,
                                       const LoadOptions &options = LoadOptions()) {
    return made([&](apus_model **model, apus_error *error) {
      return apus_model_load_borrowed(bytes.data(), bytes.size(), release, user, &options, model, error);
    });
  }

  Model(Model &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Model &operator=(Model &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Model() { apus_model_release(handle_); }

  Model share() const noexcept {
    apus_model_retain(handle_);
    return Model(handle_);
  }

  Expected<apus_model_info> info() const {
    apus_model_info info;
    apus_model_info_init(&info, sizeof info);
    return detail::call<apus_model_info>([&](apus_error *error) { return apus_model_inspect(handle_, &info, error); },
                                         [&] { return info; });
  }

  Expected<TensorInfo> input(uint32_t index) const { return tensor(apus_model_input, index); }
  Expected<TensorInfo> output(uint32_t index) const { return tensor(apus_model_output, index); }

  Expected<uint32_t> find_input(std::string_view name) const { return find(apus_model_find_input, name); }
  Expected<uint32_t> find_output(std::string_view name) const { return find(apus_model_find_output, name); }

  // The value of a metadata entry; lives as long as the model.
  Expected<std::string_view> metadata(std::string_view key) const {
    const std::string text(key);
    const char *value = nullptr;
    return detail::call<std::string_view>(
        [&](apus_error *error) { return apus_model_find_metadata(handle_, text.c_str(), &value, error); },
        [&] { return std::string_view(value); });
  }

  // What a session for these input shapes takes.
  Expected<apus_memory_info> memory(const std::vector<std::vector<int64_t>> &shapes, uint32_t threads = 1) const;

  Expected<apus_self_test_info> self_test(const Pool *pool = nullptr) const {
    apus_self_test_info info;
    apus_self_test_info_init(&info, sizeof info);
    return detail::call<apus_self_test_info>(
        [&](apus_error *error) {
          return apus_model_self_test(handle_, pool != nullptr ? pool->handle() : nullptr, &info, error);
        },
        [&] { return info; });
  }

  apus_model *handle() const noexcept { return handle_; }

 private:
  explicit Model(apus_model *handle) noexcept : handle_(handle) {}

  template <typename Load>
  static Expected<Model> made(Load &&load) {
    apus_model *handle = nullptr;
    return detail::call<Model>([&](apus_error *error) { return load(&handle, error); }, [&] { return Model(handle); });
  }

  template <typename Ask>
  Expected<TensorInfo> tensor(Ask ask, uint32_t index) const {
    apus_tensor_info info;
    apus_tensor_info_init(&info, sizeof info);
    return detail::call<TensorInfo>([&](apus_error *error) { return ask(handle_, index, &info, error); },
                                    [&] {
                                      TensorInfo tensor{info.name, info.element_type, std::nullopt, std::nullopt, std::nullopt};
                                      if (info.rank >= 0) {
                                        tensor.dimensions.emplace(info.dimensions, static_cast<std::size_t>(info.rank));
                                      }
                                      if (info.state >= 0) tensor.state = static_cast<uint32_t>(info.state);
                                      if (info.is_quantized != 0) {
                                        tensor.quantization = Quantization{info.scale, info.zero_point};
                                      }
                                      return tensor;
                                    });
  }

  template <typename Find>
  Expected<uint32_t> find(Find find, std::string_view name) const {
    const std::string text(name);
    uint32_t index = 0;
    return detail::call<uint32_t>([&](apus_error *error) { return find(handle_, text.c_str(), &index, error); },
                                  [&] { return index; });
  }

  apus_model *handle_;
};

namespace detail {

// The shapes as the C interface takes them. Points into `shapes`.
inline std::vector<apus_shape> views(const std::vector<std::vector<int64_t>> &shapes) {
  std::vector<apus_shape> views;
  views.reserve(shapes.size());
  for (const std::vector<int64_t> &shape : shapes) views.push_back(apus_shape{shape.data(), shape.size()});
  return views;
}

}  // namespace detail

inline Expected<apus_memory_info> Model::memory(const std::vector<std::vector<int64_t>> &shapes, uint32_t threads) const {
  const std::vector<apus_shape> views = detail::views(shapes);
  apus_memory_info info;
  apus_memory_info_init(&info, sizeof info);
  return detail::call<apus_memory_info>(
      [&](apus_error *error) {
        return apus_model_memory(handle_, views.data(), static_cast<uint32_t>(views.size()), threads, &info, error);
      },
      [&] { return info; });
}

// Runs a model; belongs to one thread at a time, cancel() excepted. Must not be destroyed while it runs.
class Session {
 public:
  static Expected<Session> create(const Model &model, const SessionOptions &options = SessionOptions()) {
    apus_session *handle = nullptr;
    return detail::call<Session>(
        [&](apus_error *error) { return apus_session_create(model.handle(), &options, &handle, error); },
        [&] { return Session(handle, model.share()); });
  }

  static Expected<Session> create(const Model &model, const Pool &pool) {
    SessionOptions options;
    options.pool = pool.handle();
    return create(model, options);
  }

  Session(Session &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)), model_(std::move(other.model_)) {}
  Session &operator=(Session &&other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(model_, other.model_);
    return *this;
  }
  ~Session() { apus_session_destroy(handle_, nullptr); }

  // One shape for each input: prepare({{1, 1, 28, 28}}). None: where the model fixes all shapes.
  Expected<void> prepare(const std::vector<std::vector<int64_t>> &shapes) {
    const std::vector<apus_shape> views = detail::views(shapes);
    return detail::call([&](apus_error *error) {
      return apus_session_prepare(handle_, views.empty() ? nullptr : views.data(), static_cast<uint32_t>(views.size()), error);
    });
  }

  Expected<apus_session_info> info() const {
    apus_session_info info;
    apus_session_info_init(&info, sizeof info);
    return detail::call<apus_session_info>([&](apus_error *error) { return apus_session_inspect(handle_, &info, error); },
                                           [&] { return info; });
  }

  // Lets runs read `data`, which must outlive the binding. APUS_ERROR_TYPE_MISMATCH: the input has another element type.
  template <typename T>
  Expected<void> bind_input(uint32_t index, Span<T> data) {
    if (!matches<std::remove_cv_t<T>>(apus_model_input, index)) return mismatch<void>();
    return bind_input_bytes(index, data.data(), data.size_bytes());
  }

  // Lets runs write to `data`, which must outlive the binding.
  template <typename T>
  Expected<void> bind_output(uint32_t index, Span<T> data) {
    if (!matches<T>(apus_model_output, index)) return mismatch<void>();
    return bind_output_bytes(index, data.data(), data.size_bytes());
  }

  // The same for any element type, with the C interface's release.
  Expected<void> bind_input_bytes(uint32_t index, const void *data, std::size_t size, apus_release_fn release = nullptr,
                                  void *user = nullptr) {
    return detail::call(
        [&](apus_error *error) { return apus_session_bind_input(handle_, index, data, size, release, user, error); });
  }
  Expected<void> bind_output_bytes(uint32_t index, void *data, std::size_t size, apus_release_fn release = nullptr,
                                   void *user = nullptr) {
    return detail::call(
        [&](apus_error *error) { return apus_session_bind_output(handle_, index, data, size, release, user, error); });
  }

  Expected<void> unbind_input(uint32_t index) {
    return detail::call([&](apus_error *error) { return apus_session_unbind_input(handle_, index, error); });
  }
  Expected<void> unbind_output(uint32_t index) {
    return detail::call([&](apus_error *error) { return apus_session_unbind_output(handle_, index, error); });
  }

  // The session's own memory of an input, to be filled before a run.
  template <typename T>
  Expected<Span<T>> input(uint32_t index) {
    if (!matches<T>(apus_model_input, index)) return mismatch<Span<T>>();
    void *data = nullptr;
    uint64_t size = 0;
    return detail::call<Span<T>>(
        [&](apus_error *error) { return apus_session_input_buffer(handle_, index, &data, &size, error); },
        [&] { return Span<T>(static_cast<T *>(data), static_cast<std::size_t>(size) / sizeof(T)); });
  }

  // What the last run wrote.
  template <typename T>
  Expected<Span<const T>> output(uint32_t index) const {
    if (!matches<T>(apus_model_output, index)) return mismatch<Span<const T>>();
    const void *data = nullptr;
    uint64_t size = 0;
    return detail::call<Span<const T>>(
        [&](apus_error *error) { return apus_session_output_buffer(handle_, index, &data, &size, error); },
        [&] { return Span<const T>(static_cast<const T *>(data), static_cast<std::size_t>(size) / sizeof(T)); });
  }

  Expected<std::vector<int64_t>> output_shape(uint32_t index) const {
    std::vector<int64_t> extents(8);
    uint32_t rank = 0;
    apus_error error;
    const auto ask = [&] {
      return apus_session_output_shape(handle_, index, extents.data(), static_cast<uint32_t>(extents.size()), &rank, &error);
    };
    int32_t status = ask();
    if (status == APUS_ERROR_BUFFER_TOO_SMALL) {
      extents.resize(rank);
      status = ask();
    }
    if (status != APUS_OK) return detail::fail<std::vector<int64_t>>(Error(error));
    extents.resize(rank);
    return Expected<std::vector<int64_t>>(std::move(extents));
  }

  Expected<void> run() {
    return detail::call([&](apus_error *error) { return apus_session_run(handle_, nullptr, error); });
  }

  // `timeout` must be positive.
  Expected<void> run(std::chrono::nanoseconds timeout) {
    if (timeout.count() <= 0) return detail::fail<void>(Error(APUS_ERROR_INVALID_ARGUMENT, "the timeout is not positive"));
    apus_run_options options;
    apus_run_options_init(&options, sizeof options);
    options.timeout = static_cast<uint64_t>(timeout.count());
    return detail::call([&](apus_error *error) { return apus_session_run(handle_, &options, error); });
  }

  // From any thread. Returns whether a run was in flight.
  bool cancel() noexcept {
    uint32_t was_running = 0;
    apus_session_cancel(handle_, &was_running, nullptr);
    return was_running != 0;
  }

  Expected<void> reset() {
    return detail::call([&](apus_error *error) { return apus_session_reset(handle_, error); });
  }

  // Entries of the last run. Their strings live until the next prepare.
  Expected<std::vector<apus_profile_entry>> profile() const {
    uint32_t count = 0;
    apus_error error;
    int32_t status = apus_session_profile_count(handle_, &count, &error);
    std::vector<apus_profile_entry> entries(status == APUS_OK ? count : 0);
    for (uint32_t index = 0; index < entries.size() && status == APUS_OK; ++index) {
      apus_profile_entry_init(&entries[index], sizeof(apus_profile_entry));
      status = apus_session_profile(handle_, index, &entries[index], &error);
    }
    if (status != APUS_OK) return detail::fail<std::vector<apus_profile_entry>>(Error(error));
    return Expected<std::vector<apus_profile_entry>>(std::move(entries));
  }

  apus_session *handle() const noexcept { return handle_; }
  const Model &model() const noexcept { return model_; }

 private:
  Session(apus_session *handle, Model model) noexcept : handle_(handle), model_(std::move(model)) {}

  // Whether a port has the element type T. An index out of range passes here and fails in the call that follows.
  template <typename T, typename Ask>
  bool matches(Ask ask, uint32_t index) const noexcept {
    static_assert(element_type<T> != 0, "no element type of Apus; use the functions with bytes");
    apus_tensor_info info;
    apus_tensor_info_init(&info, sizeof info);
    return ask(model_.handle(), index, &info, nullptr) != APUS_OK || info.element_type == element_type<T>;
  }

  template <typename T>
  static Expected<T> mismatch() {
    return detail::fail<T>(Error(APUS_ERROR_TYPE_MISMATCH, "the tensor has another element type"));
  }

  apus_session *handle_;
  Model model_;
};

}  // namespace apus

#endif
