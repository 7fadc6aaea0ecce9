// Folds events into the sequences of one bucket of users.
//
// What a user did with one item on one occasion is one interaction. Folding takes the largest time, all action bits,
// the largest value and the earliest arrival, so it does not matter in which order, or how often, events come in.
// Users are matched by their hash; sequences come and go sorted by it, events come in runs sorted by it, such as a run
// for each day.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace {

constexpr int16_t kNoSurface = -1;

struct Columns {
  int32_t* item;
  int64_t* time;
  int32_t* actions;
  float* value;
  int16_t* surface;
  int64_t* occasion;
  int64_t* arrival;
};

struct Interaction {
  int64_t time;
  int64_t arrival;
  int64_t occasion;
  int64_t surface_arrival;
  int32_t item;
  int32_t actions;
  float value;
  int16_t surface;

  bool Before(int64_t other_time, int64_t other_arrival) const {
    return time != other_time ? time < other_time : arrival < other_arrival;
  }
};

Interaction At(const Columns& columns, int64_t i) {
  return {columns.time[i],    columns.arrival[i], columns.occasion[i], columns.arrival[i],
          columns.item[i],    columns.actions[i], columns.value[i],    columns.surface[i]};
}

void Put(const Interaction& from, const Columns& columns, int64_t i) {
  columns.item[i] = from.item;
  columns.time[i] = from.time;
  columns.actions[i] = from.actions;
  columns.value[i] = from.value;
  columns.surface[i] = from.surface;
  columns.occasion[i] = from.occasion;
  columns.arrival[i] = from.arrival;
}

// The surface is that of the earliest event that names one.
void TakeSurface(const Interaction& from, Interaction* into) {
  if (from.surface == kNoSurface) return;
  if (into->surface == kNoSurface || from.surface_arrival < into->surface_arrival) {
    into->surface = from.surface;
    into->surface_arrival = from.surface_arrival;
  }
}

void Fold(const Interaction& from, Interaction* into) {
  TakeSurface(from, into);
  into->time = std::max(into->time, from.time);
  into->arrival = std::min(into->arrival, from.arrival);
  into->actions |= from.actions;
  into->value = std::fmax(into->value, from.value);  // NaN stands for none
}

// Which of a user's new interactions is about one item and occasion: a hash table that is emptied for every user.
class Occasions {
 public:
  Occasions() : places_(kFewest, kFree), mask_(kFewest - 1) {}

  void Clear() {
    // Emptying a table that once held a long history would cost more than a short one does.
    if (places_.size() > kFewest && found_.size() * 8 < places_.size()) {
      places_.assign(kFewest, kFree);
      mask_ = kFewest - 1;
    } else {
      std::fill(places_.begin(), places_.end(), kFree);
    }
    found_.clear();
  }

  void Add(const Interaction& event) {
    int32_t* place = Find(event.item, event.occasion);
    if (*place == kFree) {
      *place = static_cast<int32_t>(found_.size());
      found_.push_back(event);
      if (found_.size() * 2 > places_.size()) Grow();
    } else {
      Fold(event, &found_[*place]);
    }
  }

  // Folds an interaction of before into the new one on the same occasion; false where there is none.
  bool Absorb(const Interaction& before) {
    const int32_t place = *Find(before.item, before.occasion);
    if (place == kFree) return false;
    Fold(before, &found_[place]);
    return true;
  }

  std::vector<Interaction>& found() { return found_; }

 private:
  static constexpr int32_t kFree = -1;
  static constexpr size_t kFewest = 64;

  void Grow() {
    places_.assign(places_.size() * 2, kFree);
    mask_ = places_.size() - 1;
    for (size_t i = 0; i < found_.size(); ++i) *Find(found_[i].item, found_[i].occasion) = static_cast<int32_t>(i);
  }

  int32_t* Find(int32_t item, int64_t occasion) {
    uint64_t mixed = (static_cast<uint64_t>(occasion) ^ (static_cast<uint64_t>(item) << 32)) * 0x9E3779B97F4A7C15ull;
    size_t place = (mixed ^ (mixed >> 32)) & mask_;
    while (places_[place] != kFree) {
      const Interaction& there = found_[places_[place]];
      if (there.item == item && there.occasion == occasion) break;
      place = (place + 1) & mask_;
    }
    return &places_[place];
  }

  std::vector<int32_t> places_;
  std::vector<Interaction> found_;
  size_t mask_;
};

void Copy(const Columns& from, int64_t start, int64_t count, const Columns& to, int64_t at) {
  std::memcpy(to.item + at, from.item + start, count * sizeof(int32_t));
  std::memcpy(to.time + at, from.time + start, count * sizeof(int64_t));
  std::memcpy(to.actions + at, from.actions + start, count * sizeof(int32_t));
  std::memcpy(to.value + at, from.value + start, count * sizeof(float));
  std::memcpy(to.surface + at, from.surface + start, count * sizeof(int16_t));
  std::memcpy(to.occasion + at, from.occasion + start, count * sizeof(int64_t));
  std::memcpy(to.arrival + at, from.arrival + start, count * sizeof(int64_t));
}

// The user's interactions of before [start, end) and his new events, together in time order; returns how many.
int64_t MergeUser(const Columns& before, int64_t start, int64_t end, Occasions* occasions, const Columns& to,
                  int64_t at) {
  const int64_t began = at;
  std::vector<char> absorbed(end - start, 0);
  for (int64_t i = start; i < end; ++i) absorbed[i - start] = occasions->Absorb(At(before, i));
  std::vector<Interaction>& fresh = occasions->found();
  std::sort(fresh.begin(), fresh.end(),
            [](const Interaction& a, const Interaction& b) { return a.Before(b.time, b.arrival); });
  size_t next = 0;
  for (int64_t i = start; i < end; ++i) {
    if (absorbed[i - start]) continue;
    while (next < fresh.size() && fresh[next].Before(before.time[i], before.arrival[i])) Put(fresh[next++], to, at++);
    Put(At(before, i), to, at++);
  }
  while (next < fresh.size()) Put(fresh[next++], to, at++);
  return at - began;
}

}  // namespace

// before: `users` sequences (hashes ascending, offsets of users + 1 entries).
// events: `runs` stretches [starts[r], ends[r]) of rows, in each of which event_users ascends.
// out: columns with room for all interactions and events; out_hashes, out_offsets, out_before (position of the user
// before, or -1) and out_event (position of one of his events, or -1) with room for all users.
// Returns the number of users.
extern "C" int64_t merge_sequences(int64_t users, const uint64_t* hashes, const int64_t* offsets,
                                   const Columns* before, int64_t runs, const int64_t* starts, const int64_t* ends,
                                   const uint64_t* event_users, const Columns* event, const Columns* out,
                                   uint64_t* out_hashes, int64_t* out_offsets, int64_t* out_before,
                                   int64_t* out_event) {
  std::vector<int64_t> next(starts, starts + runs);
  using Head = std::pair<uint64_t, int64_t>;  // the next user of a run, and the run
  std::priority_queue<Head, std::vector<Head>, std::greater<Head>> heads;
  for (int64_t run = 0; run < runs; ++run) {
    if (starts[run] < ends[run]) heads.push({event_users[starts[run]], run});
  }
  Occasions occasions;
  int64_t user = 0, written = 0, at = 0;
  out_offsets[0] = 0;
  while (user < users || !heads.empty()) {
    const bool has_events = !heads.empty() && (user == users || heads.top().first <= hashes[user]);
    const uint64_t hash = has_events ? heads.top().first : hashes[user];
    const bool was_there = user < users && hashes[user] == hash;
    const int64_t start = was_there ? offsets[user] : 0, end = was_there ? offsets[user + 1] : 0;
    out_hashes[written] = hash;
    out_before[written] = was_there ? user : -1;
    out_event[written] = has_events ? next[heads.top().second] : -1;
    if (has_events) {
      occasions.Clear();
      while (!heads.empty() && heads.top().first == hash) {
        const int64_t run = heads.top().second;
        heads.pop();
        int64_t row = next[run];
        for (; row < ends[run] && event_users[row] == hash; ++row) occasions.Add(At(*event, row));
        next[run] = row;
        if (row < ends[run]) heads.push({event_users[row], run});
      }
      at += MergeUser(*before, start, end, &occasions, *out, at);
    } else {
      Copy(*before, start, end - start, *out, at);
      at += end - start;
    }
    out_offsets[++written] = at;
    user += was_there;
  }
  return written;
}
