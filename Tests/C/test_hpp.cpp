// apus.hpp, with exceptions and without (-fno-exceptions): the same tests through both forms.
#include <apus.hpp>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "check.h"

namespace {

// A value or the status of the failure, from either form of a function.
#ifdef APUS_NO_EXCEPTIONS
template <typename Function>
int32_t status_of(Function &&function) {
  const auto result = function();
  return result ? APUS_OK : result.error().status();
}
template <typename Function>
auto value_of(Function &&function) {
  auto result = function();
  if (!result) {
    std::fprintf(stderr, "unexpected: %s\n", result.error().what());
    std::exit(1);
  }
  return std::move(*result);
}
#else
template <typename Function>
int32_t status_of(Function &&function) {
  try {
    function();
    return APUS_OK;
  } catch (const apus::Error &failure) {
    return failure.status();
  }
}
template <typename Function>
auto value_of(Function &&function) {
  return function();
}
#endif

apus::Model load(const char *name) {
  return value_of([&] { return apus::Model::load(model_path(name)); });
}

apus::Session open(const apus::Model &model) {
  return value_of([&] { return apus::Session::create(model); });
}

static_assert(!std::is_copy_constructible_v<apus::Model> && std::is_nothrow_move_constructible_v<apus::Model>);
static_assert(!std::is_copy_constructible_v<apus::Session> && std::is_nothrow_move_constructible_v<apus::Session>);
static_assert(!std::is_copy_constructible_v<apus::Pool> && std::is_nothrow_move_assignable_v<apus::Pool>);

void a_model_runs() {
  const apus::Model model = load("affine");
  apus::Session session = open(model);
  CHECK_OK(status_of([&] { return session.prepare({}); }));
  const std::array<float, 6> x{0, 1, 2, 3, 4, 5};
  std::array<float, 6> y{};
  CHECK_OK(status_of([&] { return session.bind_input(0, apus::Span<const float>(x)); }));
  CHECK_OK(status_of([&] { return session.run(); }));
  const apus::Span<const float> own = value_of([&] { return session.output<float>(0); });
  CHECK(own.size() == 6 && own[5] == 11);
  CHECK_OK(status_of([&] { return session.bind_output(0, apus::Span<float>(y)); }));
  CHECK_OK(status_of([&] { return session.run(std::chrono::seconds(5)); }));
  CHECK(y[0] == 1 && y[4] == 9);
  CHECK((value_of([&] { return session.output_shape(0); }) == std::vector<int64_t>{2, 3}));
  CHECK_OK(status_of([&] { return session.unbind_input(0); }));
  CHECK_OK(status_of([&] { return session.unbind_output(0); }));
  for (float &value : value_of([&] { return session.input<float>(0); })) value = 10;
  CHECK_OK(status_of([&] { return session.run(); }));
  CHECK(value_of([&] { return session.output<float>(0); })[2] == 21);
}

void failures_carry_everything() {
  CHECK_STATUS(APUS_ERROR_FILE_NOT_FOUND, status_of([] { return apus::Model::load("/nowhere"); }));
#ifdef APUS_NO_EXCEPTIONS
  const auto result = apus::Model::load("/nowhere");
  const apus::Error &failure = result.error();
#else
  apus::Error failure(APUS_OK, "");
  try {
    apus::Model::load("/nowhere");
  } catch (const apus::Error &thrown) {
    failure = thrown;
  }
#endif
  CHECK(failure.status_name() == "APUS_ERROR_FILE_NOT_FOUND");
  CHECK(std::strcmp(failure.details().file, "/nowhere") == 0 && std::strstr(failure.what(), "/nowhere: ") == failure.what());
}

void types_are_checked() {
  const apus::Model model = load("gather");
  apus::Session session = open(model);
  std::array<float, 4> floats{};
  std::array<int64_t, 4> integers{4, 0, 0, 0};
  CHECK_OK(status_of([&] { return session.prepare({{4}}); }));
  CHECK_STATUS(APUS_ERROR_TYPE_MISMATCH, status_of([&] { return session.bind_input(0, apus::Span<float>(floats)); }));
  CHECK_STATUS(APUS_ERROR_TYPE_MISMATCH, status_of([&] { return session.output<int32_t>(0); }));
  CHECK_STATUS(APUS_ERROR_INDEX_OUT_OF_RANGE, status_of([&] { return session.input<float>(7); }));
  CHECK_OK(status_of([&] { return session.bind_input(0, apus::Span<int64_t>(integers)); }));
  CHECK_OK(status_of([&] { return session.run(); }));
  CHECK(value_of([&] { return session.output<float>(0); })[0] == 12);
  integers[1] = 9;
  CHECK_STATUS(APUS_ERROR_VALUE_OUT_OF_RANGE, status_of([&] { return session.run(); }));
  CHECK_STATUS(APUS_ERROR_INVALID_ARGUMENT, status_of([&] { return session.run(std::chrono::nanoseconds(-1)); }));
}

void models_are_inspected() {
  const apus::Model model = load("lenet");
  CHECK(value_of([&] { return model.info(); }).node_count == 12);
  const apus::TensorInfo input = value_of([&] { return model.input(0); });
  CHECK(input.name == "input" && input.element_type == apus::element_type<float> && !input.state);
  CHECK(input.dimensions && input.dimensions->size() == 4 && std::strcmp((*input.dimensions)[0].symbol, "N") == 0);
  CHECK(value_of([&] { return model.find_output("logits"); }) == 0);
  CHECK_STATUS(APUS_ERROR_UNKNOWN_NAME, status_of([&] { return model.find_input(std::string_view("inputs", 3)); }));
  CHECK(value_of([&] { return model.metadata("license"); }) == "Apache-2.0");
  CHECK(value_of([&] { return model.memory({{1, 1, 28, 28}}); }).session_bytes > 0);
  CHECK(value_of([&] { return model.self_test(); }).vector_count == 0);
  CHECK(value_of([] { return apus::cpu(); }).threads >= 1);
  CHECK(apus::version() == APUS_VERSION_STRING);
  const apus::Model counter = load("counter");
  CHECK(*value_of([&] { return counter.input(1); }).state == 0);
}

void handles_move() {
  apus::Model first = load("affine");
  const apus::Model shared = first.share();
  apus::Model second = std::move(first);
  apus::Session a = open(second);
  apus::Session b = std::move(a);
  second = load("lenet");
  CHECK_OK(status_of([&] { return b.prepare({}); }));
  CHECK_OK(status_of([&] { return b.run(); }));
  a = std::move(b);
  CHECK_OK(status_of([&] { return a.reset(); }));
  CHECK(!a.cancel());
  CHECK(value_of([&] { return a.info(); }).is_prepared == 1);
  CHECK(value_of([&] { return shared.info(); }).test_vector_count == 1);
}

void pools_are_shared_and_profiles_read() {
  const apus::Model model = load("lenet");
  apus::SessionOptions options;
  options.profile = 1;
  apus::Pool pool = value_of([] { return apus::Pool::create(2); });
  CHECK(pool.threads() == 2 && pool.share().threads() == 2);
  options.pool = pool.handle();
  apus::Session session = value_of([&] { return apus::Session::create(model, options); });
  CHECK_OK(status_of([&] { return session.prepare({{2, 1, 28, 28}}); }));
  CHECK_OK(status_of([&] { return session.run(); }));
  CHECK(!value_of([&] { return session.profile(); }).empty());
}

void memory_is_copied_or_borrowed() {
  file_bytes file = model_bytes("affine");
  const apus::Span<const std::byte> bytes(reinterpret_cast<const std::byte *>(file.data), file.size);
  int released = 0;
  {
    const apus::Model copied = value_of([&] { return apus::Model::load_copy(bytes); });
    const apus::Model borrowed = value_of([&] {
      return apus::Model::load_borrowed(bytes, [](void *user, const void *) { ++*static_cast<int *>(user); }, &released);
    });
    CHECK(released == 0 && value_of([&] { return copied.self_test(); }).output_count == 1);
    CHECK(value_of([&] { return borrowed.self_test(); }).output_count == 1);
  }
  CHECK(released == 1);
  std::free(file.data);
}

void a_run_is_cancelled() {
  const apus::Model model = load("slow");
  apus::Session session = open(model);
  CHECK_OK(status_of([&] { return session.prepare({{32768, 512}}); }));
  int32_t status = APUS_OK;
  std::thread thread([&] { status = status_of([&] { return session.run(); }); });
  while (!session.cancel()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  thread.join();
  CHECK(status == APUS_ERROR_CANCELLED);
}

}  // namespace

int main(int argc, char **argv) {
  static const test_case tests[] = {
      {"a_model_runs", a_model_runs},
      {"failures_carry_everything", failures_carry_everything},
      {"types_are_checked", types_are_checked},
      {"models_are_inspected", models_are_inspected},
      {"handles_move", handles_move},
      {"pools_are_shared_and_profiles_read", pools_are_shared_and_profiles_read},
      {"memory_is_copied_or_borrowed", memory_is_copied_or_borrowed},
      {"a_run_is_cancelled", a_run_is_cancelled},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
