// Folds events into the sequences of one bucket of users.
//
// What a user did with one item on one occasion is one interaction: the events of one key (a request, or a moment), as
// far as each lies within a gap of another. Folding takes the first and the last time, all action bits, the largest
// value, the surface that ranks first and the earliest arrival, so it does not matter in which order, or how often,
// events come in.
// Users are matched by their hash; sequences come and go sorted by it, events come in runs sorted by it, such as a run
// for each day.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constexpr int16_t kNoSurface = -1;

struct Columns {
  int32_t* item;
  int64_t* started;
  int64_t* time;
  int32_t* actions;
  float* value;
  int16_t* surface;
  int64_t* occasion;
  int64_t* arrival;
};

struct Rules {
  int64_t gap;             // the longest time between two actions of one occasion
  const int16_t* surface;  // of each surface, its rank
};

struct Interaction {
  int64_t started;
  int64_t time;
  int64_t arrival;
  int64_t occasion;
  int32_t item;
  int32_t actions;
  float value;
  int16_t surface;

  bool Before(int64_t other_time, int64_t other_arrival) const {
    return time != other_time ? time < other_time : arrival < other_arrival;
  }
};

Interaction At(const Columns& columns, int64_t i) {
  return {columns.started[i], columns.time[i],    columns.arrival[i], columns.occasion[i],
          columns.item[i],    columns.actions[i], columns.value[i],   columns.surface[i]};
}

void Put(const Interaction& from, const Columns& columns, int64_t i) {
  columns.item[i] = from.item;
  columns.started[i] = from.started;
  columns.time[i] = from.time;
  columns.actions[i] = from.actions;
  columns.value[i] = from.value;
  columns.surface[i] = from.surface;
  columns.occasion[i] = from.occasion;
  columns.arrival[i] = from.arrival;
}

int16_t FirstSurface(int16_t a, int16_t b, const Rules& rules) {
  if (a == kNoSurface || b == kNoSurface) return std::max(a, b);
  return rules.surface[a] <= rules.surface[b] ? a : b;
}

void Fold(const Interaction& from, const Rules& rules, Interaction* into) {
  into->surface = FirstSurface(from.surface, into->surface, rules);
  into->started = std::min(into->started, from.started);
  into->time = std::max(into->time, from.time);
  into->arrival = std::min(into->arrival, from.arrival);
  into->actions |= from.actions;
  into->value = std::fmax(into->value, from.value);  // NaN stands for none
}

// A user's new interactions, found by item and key in a hash table that is emptied for every user.
class Occasions {
 public:
  explicit Occasions(const Rules& rules) : rules_(rules), places_(kFewest, kFree), mask_(kFewest - 1) {}

  void Clear() {
    // Emptying a table that once held a long history would cost more than a short one does.
    if (places_.size() > kFewest && found_.size() * 8 < places_.size()) {
      places_.assign(kFewest, kFree);
      mask_ = kFewest - 1;
    } else {
      std::fill(places_.begin(), places_.end(), kFree);
    }
    found_.clear();
    parted_ = false;
  }

  void Add(const Interaction& event) {
    int32_t* place = Find(event.item, event.occasion);
    if (*place == kFree) {
      *place = static_cast<int32_t>(found_.size());
      found_.push_back(event);
      if (found_.size() * 2 > places_.size()) Grow();
    } else if (Near(event, found_[*place])) {
      Fold(event, rules_, &found_[*place]);
    } else {
      found_.push_back(event);
      parted_ = true;
    }
  }

  // Adds an interaction of before where a new one has its item and key; false where none has.
  bool Absorb(const Interaction& before) {
    if (*Find(before.item, before.occasion) == kFree) return false;
    Add(before);
    return true;
  }

  // Whether interactions of one key that lie apart are one occasion is known when all are there, for a third one
  // between the two may join them. To be called after the last one.
  void Settle() {
    if (!parted_) return;
    std::sort(found_.begin(), found_.end(), [](const Interaction& a, const Interaction& b) {
      return std::tie(a.item, a.occasion, a.started) < std::tie(b.item, b.occasion, b.started);
    });
    size_t last = 0;
    for (size_t i = 1; i < found_.size(); ++i) {
      const bool same_key = found_[i].item == found_[last].item && found_[i].occasion == found_[last].occasion;
      if (same_key && Near(found_[i], found_[last])) {
        Fold(found_[i], rules_, &found_[last]);
      } else {
        found_[++last] = found_[i];
      }
    }
    found_.resize(last + 1);
  }

  std::vector<Interaction>& found() { return found_; }

 private:
  static constexpr int32_t kFree = -1;
  static constexpr size_t kFewest = 64;

  bool Near(const Interaction& a, const Interaction& b) const {
    return a.started - b.time <= rules_.gap && b.started - a.time <= rules_.gap;
  }

  void Grow() {
    places_.assign(places_.size() * 2, kFree);
    mask_ = places_.size() - 1;
    // Of several of one key the first is the one that Add looks at.
    for (size_t i = found_.size(); i-- > 0;) *Find(found_[i].item, found_[i].occasion) = static_cast<int32_t>(i);
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

  const Rules rules_;
  std::vector<int32_t> places_;
  std::vector<Interaction> found_;
  size_t mask_;
  bool parted_ = false;
};

void Copy(const Columns& from, int64_t start, int64_t count, const Columns& to, int64_t at) {
  std::memcpy(to.item + at, from.item + start, count * sizeof(int32_t));
  std::memcpy(to.started + at, from.started + start, count * sizeof(int64_t));
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
  occasions->Settle();
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

// gap, surface_ranks: what is one occasion, and which of its surfaces counts.
// before: `users` sequences (hashes ascending, offsets of users + 1 entries).
// events: `runs` stretches [starts[r], ends[r]) of rows, in each of which event_users ascends.
// out: columns with room for all interactions and events; out_hashes, out_offsets, out_before (position of the user
// before, or -1) and out_event (position of one of his events, or -1) with room for all users.
// Returns the number of users.
extern "C" int64_t merge_sequences(int64_t gap, const int16_t* surface_ranks, int64_t users, const uint64_t* hashes,
                                   const int64_t* offsets, const Columns* before, int64_t runs, const int64_t* starts,
                                   const int64_t* ends, const uint64_t* event_users, const Columns* event,
                                   const Columns* out, uint64_t* out_hashes, int64_t* out_offsets,
                                   int64_t* out_before, int64_t* out_event) {
  std::vector<int64_t> next(starts, starts + runs);
  using Head = std::pair<uint64_t, int64_t>;  // the next user of a run, and the run
  std::priority_queue<Head, std::vector<Head>, std::greater<Head>> heads;
  for (int64_t run = 0; run < runs; ++run) {
    if (starts[run] < ends[run]) heads.push({event_users[starts[run]], run});
  }
  Occasions occasions(Rules{gap, surface_ranks});
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
