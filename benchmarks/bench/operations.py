"""What is asked of both sides."""

Q1 = """query Ticket($id: ID!) { ticket(id: $id) { id number subject body status priority createdAt updatedAt
  requester { id name } assignee { id name } } }"""
Q2 = """query Tickets($statuses: [TicketStatus!]) { tickets(first: 50, filter: {statuses: $statuses}) { nodes {
  id number subject status priority createdAt updatedAt
  requester { id name } assignee { id name } department { id name } } } }"""
Q3 = """query Threads($statuses: [TicketStatus!]) { tickets(first: 50, filter: {statuses: $statuses}) { nodes {
  id number subject status priority createdAt updatedAt
  requester { id name } assignee { id name } department { id name }
  comments(last: 10) { nodes { id body internal createdAt author { id name } } } } } }"""
Q4 = """query Figures($from: DateTime!, $to: DateTime!) { metrics(filter: {from: $from, to: $to}) { byDepartment {
  department { id name } values { submittedCount resolvedCount replyCount firstResponse { count }
  sla { firstResponseBreachedCount resolutionBreachedCount } } } } }"""
M1 = """mutation Comment($input: AddCommentInput!) { addComment(input: $input) { __typename
  ... on AddCommentSuccess { comment { id body createdAt author { id name } } ticket { id status lastSeq } } } }"""
M2 = """mutation Submit($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename
  ... on SubmitTicketSuccess { ticket { id number subject status priority } } } }"""

TITLES = {
    "Q1": "one ticket: 8 scalars, requester, assignee",
    "Q2": "50 tickets of one status, with requester, assignee, department",
    "Q3": "Q2 with the last 10 comments of each, and their authors",
    "Q4": "figures of 30 days by department, which the floor counts from tickets",
    "M1": "addComment: counted, locked, written with its words, event, ticket and job, and read again",
    "M2": "submitTicket, with routing, history, words and job",
}
# What ours may cost beside the floor, one request at a time: on the server, in the database. Both together may cost
# what these come to.
ALONE = {"Q1": (1.5, 1.1), "Q2": (1.25, 0.6), "Q3": (1.2, 0.8), "Q4": (1.5, 0.2), "M1": (1.5, 1.3), "M2": (1.5, 1.3)}
# And with 16 at once, both together: reads by key that wait for each other are asked as one, as the floor never does.
AT_ONCE = {"Q1": 0.7, "Q2": 1.1, "Q3": 1.1}
