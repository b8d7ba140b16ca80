// Tensor handles, their lifetime, and copies in and out of typed arrays.
#include "s2ap.h"

#include <ATen/ops/empty.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <unordered_set>

namespace s2ap {
namespace {

constexpr double slotCount = 16777216;           // 2^24 tensors at once
constexpr uint32_t generations = 1u << 28;       // reuses of a slot before a handle could come back

struct DTypeName {
  const char* name;
  at::ScalarType type;
};
constexpr DTypeName dtypes[] = {{"float32", at::kFloat}, {"float64", at::kDouble}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}, {"uint8", at::kByte},
                                {"int8", at::kChar},     {"int16", at::kShort},    {"int32", at::kInt},         {"int64", at::kLong},   {"bool", at::kBool}};

at::ScalarType dtypeFromName(const std::string& name) {
  for (const auto& row : dtypes)
    if (name == row.name) return row.type;
  usage("unknown dtype '" + name + "'");
}

std::string dtypeName(at::ScalarType type) {
  for (const auto& row : dtypes)
    if (type == row.type) return row.name;
  return c10::toString(type);
}

napi_typedarray_type arrayTypeOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return napi_float32_array;
    case at::kDouble: return napi_float64_array;
    case at::kByte: case at::kBool: return napi_uint8_array;
    case at::kChar: return napi_int8_array;
    case at::kShort: return napi_int16_array;
    case at::kInt: return napi_int32_array;
    case at::kLong: return napi_bigint64_array;
    case at::kHalf: case at::kBFloat16: return napi_uint16_array;
    default: usage("no typed array holds dtype " + dtypeName(type));
  }
}

/// Bytes of JavaScript and the tensor that they are to become.
struct Described {
  napi_value buffer;
  void* data;
  size_t bytes;
  std::vector<int64_t> shape;
  at::ScalarType dtype;
};

Described describe(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  bool isTyped = false;
  check(env, napi_is_typedarray(env, arguments[0], &isTyped));
  if (!isTyped) usage("expected a typed array");
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0, offset = 0;
  Described result{};
  check(env, napi_get_typedarray_info(env, arguments[0], &type, &length, &result.data, &result.buffer, &offset));
  static const size_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  if (type < 0 || type >= sizeof(width) / sizeof(*width)) usage("expected a typed array of integers, float32 or float64");
  result.bytes = length * width[type];
  Parameter shapeParameter{"shape", Kind::intList, false, 0, c10::nullopt};
  result.shape = readArgument(env, environment, shapeParameter, arguments[1]).toIntVector();
  result.dtype = dtypeFromName(readString(env, arguments[2], "dtype"));
  double count = 1;
  for (int64_t extent : result.shape) {
    if (extent < 0) usage("expected non-negative extents in shape");
    count *= static_cast<double>(extent);
  }
  if (count * c10::elementSize(result.dtype) != static_cast<double>(result.bytes))
    usage("expected " + std::to_string(static_cast<long long>(count)) + " elements of " + dtypeName(result.dtype) + ", got " + std::to_string(result.bytes) + " bytes");
  return result;
}

napi_value copied(napi_env env, Environment& environment, const Described& from) {
  auto tensor = at::empty(from.shape, at::TensorOptions().dtype(from.dtype));
  if (from.bytes) std::memcpy(tensor.data_ptr(), from.data, from.bytes);
  return writeTensor(env, environment, std::move(tensor));
}

/// fromBytes(view, shape, dtype): copies a typed array's bytes into a new contiguous tensor.
napi_value fromBytes(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  return copied(env, environment, describe(env, environment, arguments));
}

/// lend(bytes) -> an ArrayBuffer of memory, not set to anything, that takeBytes can hand to a tensor
napi_value lend(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const auto bytes = readInteger(env, arguments[0], "bytes");
  if (bytes <= 0) usage("expected a positive number of bytes");
  void* data = nullptr;
  if (posix_memalign(&data, 64, static_cast<size_t>(bytes)) != 0) usage("no memory for " + std::to_string(bytes) + " bytes");
  // All of it is about to be filled: one call in place of a page fault each 4 KB. A wish, which older systems refuse.
#ifdef MADV_POPULATE_WRITE
  constexpr uintptr_t page = 4096;
  const auto first = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const auto last = (reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(bytes)) / page * page;
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#endif
  auto* loan = new Loan{environment.loans, c10::Storage(c10::Storage::use_byte_size_t(), static_cast<size_t>(bytes), c10::DataPtr(data, data, &std::free, at::kCPU))};
  environment.loans->emplace(data, loan);
  const auto returned = [](napi_env, void*, void* hint) {
    auto* loan = static_cast<Loan*>(hint);
    if (loan->storage) loan->all->erase(loan->storage.data());
    delete loan;
  };
  napi_value buffer;
  const auto status = napi_create_external_arraybuffer(env, data, static_cast<size_t>(bytes), returned, loan, &buffer);
  if (status != napi_ok) returned(env, data, loan);
  check(env, status);
  return buffer;
}

/// takeBytes(view, shape, dtype): hands a lent ArrayBuffer that the view is the whole of to a tensor, and detaches it; copies all others.
napi_value takeBytes(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const auto from = describe(env, environment, arguments);
  const auto found = environment.loans->find(from.data);
  if (found == environment.loans->end() || found->second->storage.nbytes() != from.bytes) return copied(env, environment, from);
  check(env, napi_detach_arraybuffer(env, from.buffer));
  auto storage = std::move(found->second->storage);
  environment.loans->erase(found);
  std::vector<int64_t> strides(from.shape.size(), 1);
  for (size_t k = strides.size(); k-- > 1;) strides[k - 1] = strides[k] * from.shape[k];
  auto tensor = at::empty({0}, at::TensorOptions().dtype(from.dtype));
  tensor.set_(std::move(storage), 0, from.shape, strides);
  return writeTensor(env, environment, std::move(tensor));
}

napi_value toArray(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const auto tensor = readTensor(env, environment, arguments[0], "tensor").detach().cpu().contiguous();
  const auto type = arrayTypeOf(tensor.scalar_type());
  const size_t bytes = tensor.nbytes();
  void* data = nullptr;
  napi_value buffer, array;
  check(env, napi_create_arraybuffer(env, bytes, &data, &buffer));
  if (bytes) std::memcpy(data, tensor.data_ptr(), bytes);
  check(env, napi_create_typedarray(env, type, static_cast<size_t>(tensor.numel()), buffer, 0, &array));
  return array;
}

napi_value item(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const auto tensor = readTensor(env, environment, arguments[0], "tensor");
  if (tensor.numel() != 1) usage("expected a tensor with one element, got " + std::to_string(tensor.numel()));
  const auto scalar = tensor.item();
  return scalar.isBoolean() ? writeNumber(env, scalar.toBool()) : writeNumber(env, scalar.toDouble());
}

napi_value shape(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const auto tensor = readTensor(env, environment, arguments[0], "tensor");
  napi_value array;
  check(env, napi_create_array_with_length(env, tensor.dim(), &array));
  for (int64_t i = 0; i < tensor.dim(); ++i) check(env, napi_set_element(env, array, i, writeNumber(env, static_cast<double>(tensor.size(i)))));
  return array;
}

napi_value dtype(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  return writeString(env, dtypeName(readTensor(env, environment, arguments[0], "tensor").scalar_type()));
}

napi_value device(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  return writeString(env, readTensor(env, environment, arguments[0], "tensor").device().str());
}

napi_value isChannelsLast(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  return writeBoolean(env, readTensor(env, environment, arguments[0], "tensor").is_contiguous(at::MemoryFormat::ChannelsLast));
}

napi_value release(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  return writeBoolean(env, environment.tensors.release(readNumber(env, arguments[0], "handle")));
}

napi_value releaseAll(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  uint32_t count = 0;
  check(env, napi_get_array_length(env, arguments[0], &count));
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    check(env, napi_get_element(env, arguments[0], i, &element));
    environment.tensors.release(readNumber(env, element, "handle"));
  }
  return undefined(env);
}

napi_value liveTensors(napi_env env, Environment& environment, const std::vector<napi_value>&) {
  return writeNumber(env, static_cast<double>(environment.tensors.live()));
}

napi_value liveBytes(napi_env env, Environment& environment, const std::vector<napi_value>&) {
  return writeNumber(env, static_cast<double>(environment.tensors.bytes()));
}

/// Memory that a tensor keeps: an expanded one has more elements than bytes, a meta tensor none at all.
int64_t bytesOf(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.has_storage() || tensor.is_meta()) return 0;
  const auto whole = static_cast<double>(tensor.storage().nbytes());
  return static_cast<int64_t>(std::min(whole, static_cast<double>(tensor.numel()) * tensor.itemsize()));
}

}  // namespace

double TensorTable::add(at::Tensor tensor) {
  if (free_.empty()) {
    if (slots_.size() >= static_cast<size_t>(slotCount)) usage("too many live tensors");
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
    slots_.back().generation = 1 + (salt_ * 2654435761u + static_cast<uint32_t>(slots_.size())) % (generations - 1);
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  auto& slot = slots_[index];
  slot.bytes = bytesOf(tensor);
  slot.tensor = std::move(tensor);
  byteDelta_ += slot.bytes;
  ++live_;
  return slot.generation * slotCount + index;
}

const TensorTable::Slot* TensorTable::find(double handle) const {
  if (!(handle >= 0) || handle != std::floor(handle)) return nullptr;
  const double generation = std::floor(handle / slotCount);
  const size_t index = static_cast<size_t>(handle - generation * slotCount);
  if (index >= slots_.size() || slots_[index].generation != generation || !slots_[index].tensor.defined()) return nullptr;
  return &slots_[index];
}

const at::Tensor& TensorTable::get(double handle) const {
  if (const auto* slot = find(handle)) return slot->tensor;
  throw Failure(Failure::Kind::useAfterFree, "expected a live tensor, got one that was freed or belongs to another thread");
}

bool TensorTable::release(double handle) {
  auto* slot = const_cast<Slot*>(find(handle));
  if (!slot) return false;
  slot->tensor = at::Tensor();
  slot->generation = 1 + slot->generation % (generations - 1);  // never 0: that is what a disposed tensor's handle says
  byteDelta_ -= slot->bytes;
  --live_;
  free_.push_back(static_cast<uint32_t>(slot - slots_.data()));
  return true;
}

int64_t TensorTable::bytes() const {
  std::unordered_set<const void*> seen;
  int64_t total = 0;
  for (const auto& slot : slots_) {
    if (bytesOf(slot.tensor) == 0) continue;
    const auto& storage = slot.tensor.storage();
    if (seen.insert(storage.unsafeGetStorageImpl()).second) total += static_cast<int64_t>(storage.nbytes());
  }
  return total;
}

int64_t TensorTable::takeByteDelta() {
  const int64_t delta = byteDelta_;
  byteDelta_ = 0;
  return delta;
}

const std::vector<Export> tensorExports{{"fromBytes", 3, fromBytes}, {"lend", 1, lend},           {"takeBytes", 3, takeBytes}, {"toArray", 1, toArray},     {"item", 1, item},
                                        {"shape", 1, shape},         {"dtype", 1, dtype},         {"device", 1, device},
                                        {"release", 1, release},     {"releaseAll", 1, releaseAll}, {"liveTensors", 0, liveTensors}, {"liveBytes", 0, liveBytes},
                                        {"isChannelsLast", 1, isChannelsLast}};

}  // namespace s2ap
